"""What takes long says what it is, how far it is and how long it still takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType

QUIET_S = 5.0  # nothing is said of what takes less
GROWTH = 0.25  # later lines come after this share of the time so far, if that is longer

Advance = Callable[[int], object]


class Task:
    """A context manager that says every few seconds how a task goes; of a quick one, nothing.

    The lines come from a thread of its own, so also while a single call does all the work. In a
    file they read as in a terminal.

    Args:
        doing: what is done, such as "tokenising". total: how many `unit` there are to do, 0 where
            nobody knows; `advance` counts them. say: takes each line.
    """

    def __init__(
        self,
        doing: str,
        total: int = 0,
        unit: str = "texts",
        say: Callable[[str], object] | None = None,
    ) -> None:
        self._doing, self._total, self._unit = doing, total, unit
        self._say = say or _print
        self._done = 0
        self._due = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Task:
        self._began = time.monotonic()
        self.heard()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def advance(self, count: int) -> None:
        """`count` more units are done."""
        self._done += count

    def heard(self) -> None:
        """Something else has just told the user how it goes: the next line waits anew."""
        now = time.monotonic()
        self._due = now + max(QUIET_S, GROWTH * (now - self._began))

    def _follow(self) -> None:
        while not self._ended.wait(max(0.0, self._due - time.monotonic())):
            if time.monotonic() >= self._due:
                self._say(self.line(time.monotonic() - self._began))
                self.heard()

    def line(self, seconds: float) -> str:
        """How the task stands after that time."""
        if not self._total:
            return f"{self._doing}: {duration(seconds)} so far"
        text = f"{self._doing}: {self._done:,} of {self._total:,} {self._unit}"
        if not self._done:
            return text
        left = seconds * (self._total - self._done) / self._done
        return f"{text}, about {duration(left)} left"


def ignored(count: int) -> None:
    """Where nobody counts."""


def duration(seconds: float) -> str:
    """`45 s`, `12 min` or `3 h 05 min`."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def _print(line: str) -> None:
    print(f"  {line}", flush=True)
