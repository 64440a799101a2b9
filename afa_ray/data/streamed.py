"""Named columns of a CSV, TSV, JSON Lines or Parquet file of any size, row by row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


def read_columns(path: Path, wanted: Sequence[str]) -> dict[str, list[Any]]:
    """The columns `wanted` of a file, all in memory; see `stream_columns`."""
    found: dict[str, list[Any]] = {name: [] for name in wanted}
    for row in stream_columns(path, wanted):
        for values, value in zip(found.values(), row, strict=True):
            values.append(value)
    return found


def stream_columns(path: Path, wanted: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The values of the columns `wanted`, row by row; the format goes by the suffix.

    Exactly as they are written there: strings from CSV and TSV, "NA" and "null" too, whatever the
    file holds from the others; None where a JSON line lacks the key.

    Raises:
        UserError: a missing or unreadable file, an unknown suffix, columns that are missing or
            stand twice (all of them together), text that is neither UTF-8 nor what a byte-order
            mark says; and of what is wrong with a row, when it is reached.
    """
    check_file(path)
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        for batch in read_parquet(path, wanted):
            yield from zip(*(batch[name] for name in wanted), strict=True)
        return
    encoding = _encoding(path)
    try:
        with path.open(encoding=encoding, newline="\n" if "json" in suffix else "") as file:
            if suffix in (".csv", ".tsv"):
                yield from _delimited(path, file, wanted, "\t" if suffix == ".tsv" else ",")
            else:
                yield from _json_lines(path, file, wanted)
    except UnicodeDecodeError as error:
        name, byte = encoding.removesuffix("-sig").upper(), error.object[error.start]
        raise UserError(
            f"{path} is not {name}: {_broken_line(path, encoding)} holds the byte 0x{byte:02x}. "
            "Save the file as UTF-8."
        ) from error
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}.") from error


def _broken_line(path: Path, encoding: str) -> str:
    """The first line in which something is to be replaced."""
    with path.open(encoding=encoding, errors="replace") as file:
        return next((f"line {n}" for n, line in enumerate(file, 1) if "\ufffd" in line), "it")


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


def _delimited(
    path: Path, file: IO[str], wanted: Sequence[str], usual: str
) -> Iterator[tuple[str, ...]]:
    found = read_rows(path, file, wanted, usual)
    check_columns(path, wanted, found.header, found.separator)
    places = [found.header.index(name) for name in wanted]
    yield from (tuple(row[place] for place in places) for row in found.rows)


def _json_lines(path: Path, file: IO[str], wanted: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """A key that no line has is missing; one that some lack is None there."""
    present: dict[str, None] = {}
    for number, line in enumerate(file, start=1):
        if line.strip():
            record = json_object(path, number, line, wanted)
            present |= dict.fromkeys(record)
            yield tuple(record.get(name) for name in wanted)
    check_columns(path, wanted, list(present))
