"""Explanations into files, one at a time: JSON Lines, CSV, Parquet, or a page."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from afa_ray.errors import UserError
from afa_ray.report.page import page_html
from afa_ray.report.parquet_rows import parquet_rows
from afa_ray.whole_files import whole

MOST_IN_A_PAGE = 1000  # texts: browsers show no more in comfort
SUFFIXES = (".html", ".jsonl", ".csv", ".parquet")
Write = Callable[[int, Mapping[str, Any]], None]
"""Takes a row's number in its file, from 1, and its explanation as plain values."""


def require_writable(path: Path) -> None:
    """Find out before any work that a file can be written there.

    Raises:
        UserError: another kind of file, no such folder, or one that takes no files.
    """
    if path.is_dir():
        raise UserError(f"out = {path}: is a folder; give the path of a file")
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(
            f"out = {path}: unknown file type {path.suffix!r}; allowed are {', '.join(SUFFIXES)}"
        )
    if not path.parent.is_dir():
        raise UserError(f"out = {path}: there is no folder {path.parent}; make it first")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise UserError(f"out = {path}: cannot be written ({error.strerror})") from error


@contextmanager
def writing(
    path: Path, methods: Sequence[str], labels: Sequence[str] = (), queries: bool = False
) -> Iterator[Write]:
    """A file that stands in its place once all is written; after an error nothing is there, and
    what stood there before stays. `queries`: tables have a column of what texts were read for."""
    texts = ["text", "query"] if queries else ["text"]
    kinds: dict[str, Callable[[Path], AbstractContextManager[Write]]] = {
        ".html": lambda file: _page(file, labels),
        ".jsonl": _json_lines,
        ".csv": lambda file: _table(file, texts, methods),
        ".parquet": lambda file: parquet_rows(file, texts, methods),
    }
    with whole(path) as unfinished, kinds[path.suffix.lower()](unfinished) as write:
        yield write


@contextmanager
def _json_lines(path: Path) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:

        def write(row: int, explained: Mapping[str, Any]) -> None:
            file.write(json.dumps({"row": row, **explained}, ensure_ascii=False) + "\n")

        yield write


@contextmanager
def _table(path: Path, texts: Sequence[str], methods: Sequence[str]) -> Iterator[Write]:
    """A row a text; a method's cell holds its words with their weights, as JSON."""
    named = [*texts, "label", "probability", "target"]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["row", *named, "characters_read", *methods])

        def write(row: int, explained: Mapping[str, Any]) -> None:
            cut = explained["cut"]
            read = len(explained["text"]) if cut is None else cut
            about = [explained[name] for name in named]
            cells = [_cell(explained, method) for method in methods]
            writer.writerow([row, *about, read, *cells])

        yield write


def _cell(explained: Mapping[str, Any], method: str) -> str:
    if method not in explained["scores"]:
        return ""
    scores = [None if s is None else round(s, 6) for s in explained["scores"][method]]
    return json.dumps(list(zip(explained["words"], scores, strict=True)), ensure_ascii=False)


@contextmanager
def _page(path: Path, labels: Sequence[str]) -> Iterator[Write]:
    found: list[Mapping[str, Any]] = []
    yield lambda row, explained: found.append(explained)
    path.write_text(page_html(found, labels=labels), encoding="utf-8", newline="")
