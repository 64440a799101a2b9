"""How far a long task is: a bar in a terminal, lines now and then elsewhere, both on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from afa_ray.progress import Advance, duration

EVERY_S = 5.0


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text("" if not task.speed else f"{task.speed:,.0f} rows/s")


@contextmanager
def progress_bar(doing: str, total: int, of: str = "rows") -> Iterator[Advance]:
    """Counts rows: how many, how many a second, how long it still takes; or other things."""
    if not sys.stderr.isatty():
        yield _Lines(doing, total, of).advance
        return
    columns = (
        TextColumn(doing),
        BarColumn(),
        TextColumn("{task.completed:,} of {task.total:,} " + of),
        *([_Rate()] if of == "rows" else []),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), speed_estimate_period=60) as progress:
        task = progress.add_task(doing, total=total)
        yield lambda count: progress.advance(task, count)


class _Lines:
    """A line every few seconds, and none of what takes less."""

    def __init__(self, doing: str, total: int, of: str) -> None:
        self._of = of
        self._doing, self._total, self._done = doing, total, 0
        self._began = self._said = time.monotonic()

    def advance(self, count: int) -> None:
        self._done += count
        now = time.monotonic()
        if now - self._said < max(EVERY_S, 0.25 * (self._said - self._began)):
            return
        self._said, rate = now, self._done / (now - self._began)
        left = duration((self._total - self._done) / rate)
        fast = f" {rate:,.0f} rows/s," if self._of == "rows" else ""
        done = f"{self._done:,} of {self._total:,} {self._of}"
        print(
            f"  {self._doing}: {done},{fast} about {left} left",
            file=sys.stderr,
            flush=True,
        )
