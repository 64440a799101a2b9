"""Pieces of the studies' tables."""

from __future__ import annotations

import math
from collections.abc import Iterable

from afa_ray.evaluation.statistics import estimate


def head(names: Iterable[str]) -> list[str]:
    """The first two lines of a table."""
    columns = list(names)
    return [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]


def shown(numbers: Iterable[float], digits: int = 3) -> str:
    """Mean ± 95% t-interval, without one of a single number; a dash of none."""
    given = list(numbers)
    if not given:
        return "–"
    of = estimate(given)
    half = "" if math.isnan(of.half_width) else f" ± {of.half_width:.{digits}f}"
    return f"{of.mean:.{digits}f}{half}"
