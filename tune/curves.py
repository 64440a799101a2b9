"""Curves of a figure over the number of training texts, and how many texts one saves on another."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

FRACTION = 0.2  # of the points, that a smoothed value is fitted to
STEP = 0.005  # between the levels that two curves are compared at
RESAMPLED = 500  # times


class Saved(NamedTuple):
    """Texts saved on average, with the 95% interval over resampled replicates; nan where the two
    curves have no level in common."""

    mean: float
    low: float
    high: float


def lowess(x: np.ndarray, y: np.ndarray, at: np.ndarray, fraction: float = FRACTION) -> np.ndarray:
    """Local linear regression with tricube weights (Cleveland 1979, without his robust rounds).

    Args:
        x, y: (N,) points. at: (M,) where the curve is wanted.
        fraction: of the points, the nearest ones, that each value is fitted to.

    Returns:
        (M,); where the nearest points are all at one place, their mean.
    """
    count = min(len(x), max(2, math.ceil(fraction * len(x))))
    return np.array([_local(x - place, y, count) for place in at])


def _local(offset: np.ndarray, y: np.ndarray, count: int) -> float:
    """The value at offset 0 of the weighted line through the nearest `count` points."""
    distance = np.abs(offset)
    width = np.partition(distance, count - 1)[count - 1]
    weights = (1 - (distance / width).clip(max=1) ** 3) ** 3 if width else (distance == 0) * 1.0
    weights = weights / weights.sum()
    middle, mean = weights @ offset, weights @ y
    spread = weights @ (offset - middle) ** 2
    if spread <= 1e-12 * max(1.0, width) ** 2:
        return float(mean)
    slope = weights @ ((offset - middle) * (y - mean)) / spread
    return float(mean - slope * middle)


def labels_saved(sizes: np.ndarray, base: np.ndarray, rival: np.ndarray) -> float:
    """How many texts fewer the rival needs for the same figure, on average over the levels that
    both curves reach: from the higher of their starts to the lower of their ends.

    Args:
        sizes: (S,) ascending. base, rival: (R, S), replicates at each size; higher is better.
    """
    curves = [_rising(sizes, values) for values in (base, rival)]
    low, high = max(c[0] for c in curves), min(c[-1] for c in curves)
    if high <= low:
        return math.nan
    levels = np.arange(low, high, STEP)
    needed = [_inverse(levels, curve, sizes) for curve in curves]
    return float((needed[0] - needed[1]).mean())


def saved(sizes: np.ndarray, base: np.ndarray, rival: np.ndarray, seed: int = 0) -> Saved:
    """`labels_saved`, and its percentile interval when replicates, the same of both, are drawn
    anew; the draws in which the curves have no level in common say nothing."""
    rng, count = np.random.default_rng(seed), len(base)
    draws = [rng.integers(count, size=count) for _ in range(RESAMPLED)]
    found = [labels_saved(sizes, base[rows], rival[rows]) for rows in draws]
    known = [value for value in found if not math.isnan(value)]
    low, high = np.percentile(known, [2.5, 97.5]) if known else (math.nan, math.nan)
    return Saved(labels_saved(sizes, base, rival), float(low), float(high))


def _rising(sizes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(S,) the smoothed curve, made monotone."""
    from sklearn.isotonic import isotonic_regression

    x = np.broadcast_to(sizes, values.shape).ravel()
    return isotonic_regression(lowess(x, values.ravel(), sizes))


def _inverse(levels: np.ndarray, curve: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The size at which a rising curve first reaches each level."""
    reached, first = np.unique(curve, return_index=True)
    return np.interp(levels, reached, sizes[first])
