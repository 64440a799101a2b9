"""The JSON and JSON Lines that runs leave behind: as it is written, and read again.

Anything may lie there meanwhile: a file cut short, a flipped byte, other types, a folder.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from afa_ray.errors import UserError


class DamagedError(UserError):
    """A file of a run that is not what was written; the message names it and says what is wrong."""


@dataclass(frozen=True)
class Lines:
    """What a JSON Lines file holds.

    `records` are the objects of its whole lines, `damaged` the number of lines that hold none. A
    last line that was cut short, as a crash leaves it, is neither.
    """

    records: list[dict[str, Any]]
    damaged: int


def as_json(content: Any, indent: int | None = None) -> str:
    """JSON that every reader takes: figures that are not finite become null."""
    return json.dumps(finite(content), indent=indent, ensure_ascii=False, allow_nan=False)


def finite(value: Any) -> Any:
    """Plain values in which figures that are not finite are None."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def numbers(value: Any) -> Any:
    """Plain figures in which every null is nan, as they were before `finite`."""
    if isinstance(value, dict):
        return {key: numbers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [numbers(inner) for inner in value]
    return math.nan if value is None else value


def read_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None where there is no such file.

    Raises:
        DamagedError: it cannot be read, or holds something else.
    """
    raw = _bytes_of(path)
    if raw is None:
        return None
    found = parse_object(raw)
    if found is None:
        raise DamagedError(f"{path} holds no whole JSON object: it is damaged")
    return found


def read_lines(path: Path) -> Lines:
    """The JSON objects in a file, one a line; none where there is no such file.

    Raises:
        DamagedError: it cannot be read.
    """
    *lines, last = (_bytes_of(path) or b"").split(b"\n")
    found = [parse_object(line) for line in lines]
    records = [r for r in (*found, parse_object(last)) if r is not None]
    return Lines(records, found.count(None))


def parse_object(raw: bytes | str) -> dict[str, Any] | None:
    """The JSON object that is written there; None where it is not one, or not whole."""
    try:
        value = json.loads(raw if isinstance(raw, str) else raw.decode("utf-8"))
    except (ValueError, RecursionError):  # of decoding, of JSON, and of numbers of 5,000 digits
        return None
    return value if isinstance(value, dict) else None


def _bytes_of(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DamagedError(f"{path} cannot be read: {error.strerror}") from None
