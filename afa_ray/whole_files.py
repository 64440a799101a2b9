"""Files that are never seen half-written: each is made beside its place, and moved there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

UNFINISHED = ".unfinished-"  # how their names begin until then; a process that is killed leaves one


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write what is to stand at `path`. After an error nothing is left there, and what
    stood in its place stays; of two writers each has a file of its own."""
    unfinished = path.with_name(UNFINISHED + uuid4().hex)
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    with whole(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
