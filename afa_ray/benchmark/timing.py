"""Timing side by side: contenders take turns, and a ratio is formed within each round.

A machine's speed drifts; what the drift does to one contender of a round it does to all of them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from afa_ray.data.batches import Batch

Turn = Callable[[list[Batch]], list[float]]
"""Updates with the given batches; seconds of each."""
Rounds = dict[str, list[list[float]]]
"""Seconds of each update, by contender and round."""


class Updates(Protocol):
    """Anything that makes one update of a batch."""

    def update(self, batch: Batch, step: int) -> None: ...


def turn_of(updates: Updates, finish: Callable[[], object] = lambda: None) -> Turn:
    """Turns of one contender; `finish` waits for a device's work to be done."""

    def turn(batches: list[Batch]) -> list[float]:
        seconds = []
        for step, batch in enumerate(batches):
            started = time.perf_counter()
            updates.update(batch, step)
            finish()
            seconds.append(time.perf_counter() - started)
        return seconds

    return turn


def take_turns(turns: dict[str, Turn], batches: Callable[[], list[Batch]], rounds: int) -> Rounds:
    """A B C A B C …; all contenders of a round get the same batches, the first is not counted."""
    seconds: Rounds = {name: [] for name in turns}
    for _ in range(rounds):
        given = batches()
        for name, turn in turns.items():
            seconds[name].append(turn(given)[1:])
    return seconds


class Ratio(NamedTuple):
    """The median over rounds of one contender's time over another's, and the extremes."""

    median: float
    smallest: float
    largest: float

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.smallest:.3f} to {self.largest:.3f})"


def ratio(rounds: list[list[float]], others: list[list[float]]) -> Ratio:
    """Of medians, round by round."""
    ratios = [
        statistics.median(own) / statistics.median(other)
        for own, other in zip(rounds, others, strict=True)
    ]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))


def median(rounds: list[list[float]]) -> float:
    """Over all updates of all rounds."""
    return statistics.median(second for turn in rounds for second in turn)
