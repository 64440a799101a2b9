"""The runs of a study while they train: in a terminal a live table, elsewhere a line a run."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from afa_ray.progress import duration
from afa_ray.records.tracking import epoch_records
from tune.study import Study

SHOWN = 16  # rows of the live table; the title counts the others
REDRAW_S = 1.0
ORDER = ("running", "failed", "done", "ended early")


@dataclass
class Row:
    """One run: how far it is, and its best validation score so far (None: no epoch yet)."""

    folder: Path
    about: str
    state: str
    began: float
    seconds: float | None = None  # how long it took, where it ended under our eyes
    epoch: int = 0
    score: float | None = None

    def look(self) -> None:
        """Read epoch and score from the run's `metrics.jsonl`."""
        epochs = epoch_records(self.folder)
        if epochs:
            self.epoch = epochs[-1]["epoch"]
            self.score = max(record["val/score"] for record in epochs)


class Scoreboard:
    """Follows the runs of a study, as a context manager.

    It is told when a run starts and ends; how far a run is, it reads from the run's folder.

    Args:
        title: what the runs are; count: how many there are in all.
    """

    def __init__(
        self, title: str, count: int, study: Study, console: Console | None = None
    ) -> None:
        self._title, self._count, self._slots = title, count, study.slots
        self._addresses = addresses(study)
        self._rows: dict[Path, Row] = {}
        self._console = console or Console(highlight=False, markup=False, soft_wrap=True)
        self._live = Live(console=self._console, auto_refresh=False)
        self._finished = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Scoreboard:
        for line in (
            f"{self._title}: {self._count} runs, {self._slots} at a time",
            *self._addresses,
        ):
            self._console.print(line)
        if self._console.is_terminal:
            self._live.start()
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._finished.set()
        if self._console.is_terminal:
            self._thread.join()
            self._live.stop()

    def found(self, folder: Path, about: str = "") -> None:
        """A run that is complete already."""
        self._add(Row(folder, about, "done", time.monotonic()))

    def started(self, folder: Path, about: str = "") -> None:
        self._add(Row(folder, about, "running", time.monotonic()))

    def ended(self, folder: Path, state: str = "done", reason: str = "") -> None:
        """A run is done, failed (with the reason) or ended early."""
        with self._lock:
            row = self._rows.setdefault(folder, Row(folder, "", "running", time.monotonic()))
            if row.state == "running":
                row.seconds = time.monotonic() - row.began
            row.state = state
            row.look()
            line = f"{self._ended():>4}/{self._count}  {_line(row)}  {reason or self._outlook()}"
        if not self._console.is_terminal:
            self._console.print(line.rstrip())

    def _add(self, row: Row) -> None:
        with self._lock:
            row.look()
            self._rows[row.folder] = row

    def _follow(self) -> None:
        while not self._finished.wait(REDRAW_S):
            self._redraw()
        self._redraw()

    def _redraw(self) -> None:
        with self._lock:
            for row in self._rows.values():
                if row.state == "running":
                    row.look()
            self._live.update(self._table(), refresh=True)

    def _table(self) -> Table:
        title = f"{self._ended()} of {self._count} ended  {self._outlook()}"
        table = Table(title=title, title_justify="left", box=None, pad_edge=False)
        for column in ("run", "state", "epoch", "score", "time", ""):
            table.add_column(column, no_wrap=True)
        order = sorted(self._rows.values(), key=lambda r: (ORDER.index(r.state), -(r.score or 0)))
        for row in order[:SHOWN]:
            table.add_row(*map(Text, (*_cells(row), row.about)))
        return table

    def _ended(self) -> int:
        return sum(row.state != "running" for row in self._rows.values())

    def _outlook(self) -> str:
        """The best run so far, and how long the others will take."""
        scored = [row for row in self._rows.values() if row.score is not None]
        best = max(scored, key=lambda row: row.score or 0, default=None)
        parts = [] if best is None else [f"best {best.score:.4f} {best.folder.name}"]
        seconds = [row.seconds for row in self._rows.values() if row.seconds is not None]
        left = self._count - self._ended()
        if seconds and left:
            expected = sum(seconds) / len(seconds) * left / min(left, self._slots)
            parts.append(f"about {duration(expected)} left")
        return "  ".join(parts)


def _line(row: Row) -> str:
    name, state, epoch, score, taken = _cells(row)
    line = f"{name:<18} {state:<11}  epoch {epoch:>3}  score {score:>6}  {taken:>9}  {row.about}"
    return line.rstrip()


def _cells(row: Row) -> tuple[str, str, str, str, str]:
    score = "–" if row.score is None else f"{row.score:.4f}"
    seconds = time.monotonic() - row.began if row.state == "running" else row.seconds
    taken = "–" if seconds is None else duration(seconds)
    return row.folder.name, row.state, str(row.epoch), score, taken


def addresses(study: Study) -> list[str]:
    """Where to watch a study."""
    pages = {"folder": str(study.folder), "dashboard": study.dashboard}
    if study.mlflow is not None:
        pages["mlflow"] = study.mlflow.page()
    return [f"  {name:<10} {page}" for name, page in pages.items() if page]
