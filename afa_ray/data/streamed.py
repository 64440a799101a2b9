"""One column of a file of any size, row by row: no more than a part of it is in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from afa_ray.data.delimited import read_rows
from afa_ray.data.tables import (
    ENCODINGS,
    check_columns,
    check_file,
    json_object,
    read_parquet,
)
from afa_ray.errors import UserError

LONGEST_MARK = 4  # of bytes that tell an encoding


class Row(NamedTuple):
    """A text and its row, counted from 1; and what it is read for, where there is anything."""

    number: int
    text: str
    query: str | None = None


def stream_column(path: Path, column: str) -> Iterator[Any]:
    """The values of a column of a CSV, TSV, JSON Lines or Parquet file, in order.

    Read as `tables.read_columns` reads them: strings from CSV and TSV, whatever the file holds from
    the others, None where a JSON line lacks the key.

    Raises:
        UserError: as there; of what is wrong with a row, when it is reached.
    """
    check_file(path)
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        for batch in read_parquet(path, [column]):
            yield from batch[column]
        return
    encoding = _encoding(path)
    try:
        with path.open(encoding=encoding, newline="\n" if "json" in suffix else "") as file:
            if suffix in (".csv", ".tsv"):
                yield from _delimited(path, file, column, "\t" if suffix == ".tsv" else ",")
            else:
                yield from _json_lines(path, file, column)
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not {encoding.removesuffix('-sig').upper()}: it holds the byte "
            f"0x{error.object[error.start]:02x}. Save the file as UTF-8."
        ) from error
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}.") from error


def _encoding(path: Path) -> str:
    """By the file's byte-order mark, UTF-8 without one."""
    try:
        with path.open("rb") as file:
            start = file.read(LONGEST_MARK)
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}.") from error
    encoding = next((name for mark, name in ENCODINGS.items() if start.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in start:
        raise UserError(
            f"{path} begins with a zero byte between letters, as UTF-16 without a byte-order mark "
            "does. Save the file as UTF-8."
        )
    return encoding


def _delimited(path: Path, file: IO[str], column: str, usual: str) -> Iterator[str]:
    found = read_rows(path, file, [column], usual)
    check_columns(path, [column], found.header, found.separator)
    place = found.header.index(column)
    yield from (row[place] for row in found.rows)


def _json_lines(path: Path, file: IO[str], column: str) -> Iterator[Any]:
    """A key that no line has is missing; one that some lack is None there."""
    present: dict[str, None] = {}
    for number, line in enumerate(file, start=1):
        if line.strip():
            record = json_object(path, number, line, [column])
            present |= dict.fromkeys(record)
            yield record.get(column)
    check_columns(path, [column], list(present))
