"""A clock that jumps: runs, their locks, progress and records at MLflow, and how they go on.

The clock is Python's `time.time`. It jumps at moments drawn by the seed: an hour or a day back, ten
years ahead, and to 1970, as a machine without a battery starts. Times of files stay true.
"""

from __future__ import annotations

import functools
import random
import time
from pathlib import Path

from tests.campaign.places import Place, quiet_run, result, tracked
from tests.campaign.processes import repeat
from tests.campaign.rules import Outcome

YEAR_S = 365 * 86_400
JUMPS = (0.0, -3600.0, -86_400.0, 10 * YEAR_S, 20 * YEAR_S, -56.5 * YEAR_S)
CALLS = 40  # of the clock, about so many between two jumps


def jump(seed: str) -> None:
    """Have this process's clock jump from now on."""
    drawn, true, offset = random.Random(seed), time.time, [0.0]

    def now() -> float:
        if drawn.random() < 1 / CALLS:
            offset[0] = drawn.choice(JUMPS)
        return true() + offset[0]

    offset[0] = drawn.choice(JUMPS)
    time.time = now


def plain(folder: Path, seed: int, times: int) -> Outcome:
    return clocks(folder, seed, times, "none")


def tracked_runs(folder: Path, seed: int, times: int) -> Outcome:
    return clocks(folder, seed, times, f"sqlite:///{folder}/mlflow.db")


def clocks(folder: Path, seed: int, times: int, mlflow: str) -> Outcome:
    """Runs whose clock jumps, killed at a moment and gone on with under another clock."""
    place = Place(folder, mlflow)

    def once(name: str, moment: float) -> list[str]:
        command = place.start(name, functools.partial(jump, name))
        command.ended(moment)
        command.kill()
        wrong = place.again(name, before=functools.partial(jump, f"{name} again"))
        wrong = wrong or _odd_seconds(place.storage / name)
        wrong = wrong or (tracked(place, name) if mlflow != "none" else [])
        wrong += ["a traceback"] * ("Traceback" in command.said())
        place.remove(name)
        return wrong

    part = "clocks that jump, tracked" if mlflow != "none" else "clocks that jump"
    return repeat(part, seed, times, quiet_run(place), once)


def _odd_seconds(run: Path) -> list[str]:
    """A run takes a second to an hour, whatever its clock says."""
    about = result(run)["training"]
    return [] if 0 < about["seconds"] < 3600 else [f"{about['seconds']} s of training"]
