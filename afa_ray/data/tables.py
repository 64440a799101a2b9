"""Named columns from a CSV, TSV, JSON Lines or Parquet file, exactly as they are written there.

Texts such as "NA" and "null" stay texts. Everything wrong with a file is a UserError that names it.
"""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from afa_ray.data.delimited import read_rows
from afa_ray.data.messages import as_one, did_you_mean, listed
from afa_ray.errors import UserError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".ndjson", ".parquet")
BATCH_ROWS = 1024  # of a Parquet file that are Python objects at the same time
BUFFER_BYTES = 2**20  # read ahead in a Parquet file
ENCODINGS = {  # by the mark in front; that of UTF-32 begins with that of UTF-16
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_columns(path: Path, wanted: Sequence[str]) -> dict[str, list[Any]]:
    """The columns `wanted` of the file at `path`, row by row; the format goes by the suffix.

    Values are strings from CSV and TSV, whatever the file holds from the others; None where a JSON
    line lacks the key. Raises UserError for a missing or unreadable file, an unknown suffix,
    columns that are missing or stand twice (all of them together), text that is neither UTF-8 nor
    what a byte-order mark says, and malformed rows.
    """
    check_file(path)
    match path.suffix.lower():
        case ".csv":
            return _read_delimited(path, wanted, ",")
        case ".tsv":
            return _read_delimited(path, wanted, "\t")
        case ".parquet":
            batches = list(read_parquet(path, wanted))
            return {name: list(chain.from_iterable(b[name] for b in batches)) for name in wanted}
        case _:
            return _read_json_lines(path, wanted)


def check_file(path: Path) -> None:
    if path.is_dir():
        raise UserError(f"{path} is a folder, not a file. Give the path of one file in it.")
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(
            f"{path}: unknown file type {path.suffix!r}. Allowed are {', '.join(SUFFIXES)}; "
            "convert or rename the file."
        )
    if not path.exists():
        folder = path.parent
        names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
        raise UserError(
            f"There is no file {path}.{did_you_mean(path.name, names)} Check the path; a relative "
            "one starts at the folder you run in."
        )


def check_columns(
    path: Path, wanted: Sequence[str], present: Sequence[str], separator: str = ""
) -> None:
    """UserError unless each of `wanted` is one of the columns `present`."""
    if not present:
        raise UserError(f"{path} is empty: it has no columns. Give a file with rows of texts.")
    columns = listed(present)
    if separator:
        columns += f" (separated by {separator!r})"
    problems = [
        f"{path} has no column {name!r}. Its columns are {columns}.{did_you_mean(name, present)}"
        for name in wanted
        if name not in present
    ]
    problems += [
        f"{path} has the column {name!r} {present.count(name)} times. Rename or remove all but one."
        for name in wanted
        if present.count(name) > 1
    ]
    if problems:
        raise as_one(problems)


def _read_text(path: Path) -> str:
    """The file as text, without a byte-order mark, in the encoding of that mark or in UTF-8.

    UserError names the first line that is not.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}.") from error
    encoding = next((name for mark, name in ENCODINGS.items() if raw.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in raw[:4]:
        raise UserError(
            f"{path} begins with a zero byte between letters, as UTF-16 without a byte-order mark "
            "does. Save the file as UTF-8."
        )
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: error.start].decode(encoding, "ignore").count("\n") + 1
        raise UserError(
            f"{path} is not {encoding.removesuffix('-sig').upper()}: line {line} holds the byte "
            f"0x{raw[error.start]:02x}. Save the file as UTF-8."
        ) from error


def _read_delimited(path: Path, wanted: Sequence[str], usual: str) -> dict[str, list[Any]]:
    found = read_rows(path, io.StringIO(_read_text(path), newline=""), wanted, usual)
    rows = list(found.rows)
    check_columns(path, wanted, found.header, found.separator)
    where = {name: found.header.index(name) for name in wanted}
    return {name: [row[column] for row in rows] for name, column in where.items()}


def _read_json_lines(path: Path, wanted: Sequence[str]) -> dict[str, list[Any]]:
    records: list[dict[str, Any]] = []
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
        if line.strip():
            records.append(json_object(path, number, line, wanted))
    present = list(dict.fromkeys(key for record in records for key in record))
    check_columns(path, wanted, present)
    return {name: [record.get(name) for record in records] for name in wanted}


def json_object(path: Path, number: int, line: str, wanted: Sequence[str]) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        for name in wanted:
            if names.count(name) > 1:
                raise UserError(
                    f"{path}: line {number} has the field {name!r} {names.count(name)} times. "
                    "Rename or remove all but one."
                )
        return dict(pairs)

    try:
        value = json.loads(line, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path}: line {number} is not valid JSON ({error.msg}, column {error.colno}). "
            "Write one object a line (JSON Lines), not one array or an indented object."
        ) from error
    except UserError:
        raise
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path}: line {number} holds a number of thousands of digits, or is nested too "
            "deeply. Write one object a line with texts and numbers."
        ) from error
    if not isinstance(value, dict):
        raise UserError(
            f"{path}: line {number} is a JSON {type(value).__name__}, not an object. "
            "Write one object with named fields a line (JSON Lines)."
        )
    return value


def parquet_columns(path: Path) -> list[str]:
    """The names of a Parquet file's columns; UserError where it is not one."""
    import pyarrow.parquet as pq

    with _reading(path):
        return pq.read_schema(path).names


def read_parquet(path: Path, wanted: Sequence[str]) -> Iterator[dict[str, list[Any]]]:
    """The columns `wanted` of a Parquet file, BATCH_ROWS rows at a time.

    Raises UserError as `read_columns` does. No more than a batch and BUFFER_BYTES of each column
    are in memory, however large the file and its row groups are.
    """
    import pyarrow.parquet as pq

    check_file(path)
    check_columns(path, wanted, parquet_columns(path))
    with (
        _reading(path),
        pq.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False) as file,
    ):
        for batch in file.iter_batches(BATCH_ROWS, columns=list(wanted)):
            yield {name: _values(batch.column(name)) for name in wanted}


def _values(column: Any) -> list[Any]:
    """A pyarrow column as Python objects; .1 in 32 bits is .1, not .10000000149."""
    import pyarrow as pa

    if column.type != pa.float32():
        return column.to_pylist()
    return [None if text is None else float(text) for text in column.cast(pa.string()).to_pylist()]


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OverflowError as error:
        raise UserError(
            f"{path} holds dates that Python has not ({error}). Write them as text."
        ) from error
    except (OSError, ValueError, TypeError, KeyError, NotImplementedError) as error:  # pyarrow's
        raise UserError(f"{path} is not a readable Parquet file ({error}).") from error
