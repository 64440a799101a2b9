"""Rows of CSV and TSV files, whatever separates their fields."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from afa_ray.errors import UserError

SEPARATORS = (",", ";", "\t", "|")
LONGEST_FIELD = 2**31 - 1  # of a field, in characters; Python's own limit is 131,072
LONGEST_HEADER = 2**16  # in characters, of which the separator is found
EXCEL_LINE = re.compile(r'"?sep=(.)"?(?:\r\n|\r|\n)', re.IGNORECASE)  # names the separator


def split_rows(
    path: Path, text: str, wanted: Sequence[str], usual: str
) -> tuple[str, list[str], list[list[str]]]:
    """The separator, the header and the rows of a delimited file; empty lines are passed over.

    The separator is the one that a first line `sep=…` names; else the first of `usual` and
    SEPARATORS under which the header has the columns `wanted`; else that of the longest header.

    Raises UserError, naming `path`, for rows of another length than the header and wrong quotes.
    """
    stated = EXCEL_LINE.match(text)
    lines_before = 1 if stated else 0
    text = text[stated.end() :] if stated else text
    separator = stated[1] if stated else separator_of(text, wanted, usual)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[list[str]] = []
    with long_fields():
        try:
            header = [name.strip() for name in next((row for row in reader if row), [])]
            for row in reader:
                if row and len(row) != len(header):
                    raise UserError(
                        f"{path}: line {reader.line_num + lines_before} has {len(row)} fields, the "
                        f"header has {len(header)}. Put double quotes around a text that holds the "
                        f"separator {separator!r}."
                    )
                if row:
                    rows.append(row)
        except csv.Error as error:
            raise UserError(
                f"{path}: line {reader.line_num + lines_before} cannot be read ({error}). In a "
                "field that starts with a double quote, double every quote of the text and close "
                "the field with one."
            ) from error
    return separator, header, rows


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
