"""Rows of CSV and TSV files, whatever separates their fields."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from afa_ray.errors import UserError

SEPARATORS = (",", ";", "\t", "|")
LONGEST_FIELD = 2**31 - 1  # of a field, in characters; Python's own limit is 131,072
LONGEST_HEADER = 2**16  # in characters, of which the separator is found
EXCEL_LINE = re.compile(r'"?sep=(.)"?(?:\r\n|\r|\n)', re.IGNORECASE)  # names the separator


class Delimited(NamedTuple):
    """A delimited file: what separates its fields, its header, and its rows, read as they are asked
    for; empty lines are passed over."""

    separator: str
    header: list[str]
    rows: Iterator[list[str]]


def read_rows(path: Path, file: IO[str], wanted: Sequence[str], usual: str) -> Delimited:
    """A file, or a text as one, opened with `newline=""`.

    The separator is the one that a first line `sep=…` names; else the first of `usual` and
    SEPARATORS under which the header has the columns `wanted`; else that of the longest header.

    Raises UserError, naming `path`, for rows of another length than the header and wrong quotes;
    of a row, when it is reached.
    """
    start = file.read(LONGEST_HEADER)
    file.seek(0)
    stated = EXCEL_LINE.match(start)
    if stated:
        file.readline()
    separator = stated[1] if stated else separator_of(start, wanted, usual)
    rows = _rows(path, csv.reader(file, delimiter=separator, strict=True), bool(stated))
    header = [name.strip() for name in next(rows)]
    return Delimited(separator, header, rows)


def _rows(path: Path, reader: Any, lines_before: int) -> Iterator[list[str]]:
    """The header, empty where there is none, and then the rows."""
    with long_fields():
        try:
            header: list[str] = next((row for row in reader if row), [])
            yield header
            for row in reader:
                if row and len(row) != len(header):
                    separator = repr(reader.dialect.delimiter)
                    advice = (
                        f"Put double quotes around a text that holds the separator {separator}."
                        if len(row) > len(header)
                        else f"Write the missing ones, empty, with the separator {separator}."
                    )
                    raise UserError(
                        f"{path}: line {reader.line_num + lines_before} has {_fields(row)}, the "
                        f"header has {len(header)}. {advice}"
                    )
                if row:
                    yield row
        except csv.Error as error:
            raise UserError(
                f"{path}: line {reader.line_num + lines_before} cannot be read ({error}). In a "
                "field that starts with a double quote, double every quote of the text and close "
                "the field with one."
            ) from error


def separator_of(text: str, wanted: Sequence[str], usual: str) -> str:
    start = text[:LONGEST_HEADER]
    headers = {separator: _header(start, separator) for separator in (usual, *SEPARATORS)}
    fitting = [separator for separator, header in headers.items() if set(wanted) <= set(header)]
    return fitting[0] if fitting else max(headers, key=lambda separator: len(headers[separator]))


def _header(text: str, separator: str) -> list[str]:
    """The header under a separator that may be a wrong one."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    with long_fields():
        return [name.strip() for name in next((row for row in reader if row), [])]


@contextmanager
def long_fields() -> Iterator[None]:
    limit = csv.field_size_limit(LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _fields(row: list[str]) -> str:
    return f"{len(row)} field{'s' * (len(row) != 1)}"
