"""Named columns from a CSV, TSV, JSON Lines or Parquet file, exactly as they are written there.

Texts such as "NA" and "null" stay texts. Everything wrong with a file is a UserError that names it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from afa_ray.data.messages import as_one, did_you_mean, listed
from afa_ray.errors import UserError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".ndjson", ".parquet")
BATCH_ROWS = 1024  # of a Parquet file that are Python objects at the same time
BUFFER_BYTES = 2**20  # read ahead in a Parquet file
LONGEST_FIELD = 2**31 - 1  # of a CSV field, in characters; Python's own limit is 131,072


def read_columns(path: Path, wanted: Sequence[str]) -> dict[str, list[Any]]:
    """The columns `wanted` of the file at `path`, row by row; the format goes by the suffix.

    Values are strings from CSV and TSV, whatever the file holds from the others; None where a JSON
    line lacks the key. Raises UserError for a missing or unreadable file, an unknown suffix,
    missing columns (all of them together), text that is not UTF-8, and malformed rows.
    """
    _check_file(path)
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


def _check_file(path: Path) -> None:
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(
            f"{path}: unknown file type {path.suffix!r}. Allowed are {', '.join(SUFFIXES)}; "
            "convert or rename the file."
        )
    if path.is_dir():
        raise UserError(f"{path} is a folder, not a file. Give the path of one file in it.")
    if not path.exists():
        folder = path.parent
        names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
        raise UserError(
            f"There is no file {path}.{did_you_mean(path.name, names)} Check the path; a relative "
            "one starts at the folder you run in."
        )


def _check_columns(path: Path, wanted: Sequence[str], present: Sequence[str]) -> None:
    problems = [
        f"{path} has no column {name!r}. Its columns are {listed(present) or 'none'}."
        f"{did_you_mean(name, present)}"
        for name in wanted
        if name not in present
    ]
    if problems:
        raise as_one(problems)


def _read_text(path: Path) -> str:
    """The file as text, without a byte-order mark; UserError naming the first line not in UTF-8."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}.") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise UserError(
            f"{path} is not UTF-8: line {line} holds the byte 0x{raw[error.start]:02x}. "
            "Save the file as UTF-8."
        ) from error


def _read_delimited(path: Path, wanted: Sequence[str], delimiter: str) -> dict[str, list[Any]]:
    header, rows = _split_rows(path, delimiter)
    _check_columns(path, wanted, header)
    where = {name: header.index(name) for name in wanted}
    return {name: [row[column] for row in rows] for name, column in where.items()}


def _split_rows(path: Path, delimiter: str) -> tuple[list[str], list[list[str]]]:
    """The header and the rows of a delimited file; empty lines are passed over."""
    reader = csv.reader(io.StringIO(_read_text(path), newline=""), delimiter=delimiter, strict=True)
    limit = csv.field_size_limit(LONGEST_FIELD)
    rows: list[list[str]] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        for row in reader:
            if row and len(row) != len(header):
                raise UserError(
                    f"{path}: line {reader.line_num} has {len(row)} fields, the header has "
                    f"{len(header)}. Put double quotes around a text that holds the separator "
                    f"{delimiter!r}."
                )
            if row:
                rows.append(row)
    except csv.Error as error:
        raise UserError(
            f"{path}: line {reader.line_num} cannot be read ({error}). In a field that starts with "
            "a double quote, double every quote of the text and close the field with one."
        ) from error
    finally:
        csv.field_size_limit(limit)
    return header, rows


def _read_json_lines(path: Path, wanted: Sequence[str]) -> dict[str, list[Any]]:
    records: list[dict[str, Any]] = []
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
        if line.strip():
            records.append(_json_object(path, number, line))
    present = list(dict.fromkeys(key for record in records for key in record))
    _check_columns(path, wanted, present)
    return {name: [record.get(name) for record in records] for name in wanted}


def _json_object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path}: line {number} is not valid JSON ({error.msg}, column {error.colno}). "
            "Write one object a line (JSON Lines), not one array or an indented object."
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

    _check_file(path)
    _check_columns(path, wanted, parquet_columns(path))
    with (
        _reading(path),
        pq.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False) as file,
    ):
        for batch in file.iter_batches(BATCH_ROWS, columns=list(wanted)):
            yield {name: batch.column(name).to_pylist() for name in wanted}


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError) as error:  # pyarrow's; KeyError: a name stands twice
        raise UserError(f"{path} is not a readable Parquet file ({error}).") from error
