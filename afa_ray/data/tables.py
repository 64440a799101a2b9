"""What files of tables are: their suffixes, columns, JSON objects and batches of Parquet.

Everything wrong with a file is a UserError that names it.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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

    Raises UserError as `stream_columns` does. No more than a batch and BUFFER_BYTES of each column
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
