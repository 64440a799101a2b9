"""What a handful of seeds says: intervals, paired differences, and Holm's correction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
RESAMPLED = 10_000  # times


@dataclass(frozen=True)
class Estimate:
    """A mean and the half-width of its 95% t-interval; nan where fewer than two values say."""

    mean: float
    half_width: float
    count: int


@dataclass(frozen=True)
class Difference(Estimate):
    """A mean paired difference, and the two-sided p-value of the paired t-test; nan likewise."""

    p: float


def estimate(values: Sequence[float]) -> Estimate:
    """Mean ± t_{0.975, n - 1} s / sqrt(n), with s the sample standard deviation.

    Args:
        values: at least one, independent and of one distribution (one a seed).
    """
    from scipy import stats  # takes most of a second to import

    count = len(values)
    half_width = math.nan
    if count > 1:
        standard_error = np.std(values, ddof=1) / math.sqrt(count)
        half_width = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1) * standard_error)
    return Estimate(float(np.mean(values)), half_width, count)


def paired_difference(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Mean of first - second, pair by pair: the two lists have one value a seed, in one order.

    Where all pairs differ by exactly the same, p is 0, or 1 if that is nothing.
    """
    from scipy import stats

    assert len(first) == len(second)
    differences = np.subtract(first, second)
    of = estimate(differences.tolist())
    if of.count < 2:
        p = math.nan
    elif of.half_width == 0:
        p = float(of.mean == 0)
    else:
        p = float(stats.ttest_rel(first, second).pvalue)
    return Difference(of.mean, of.half_width, of.count, p)


def signed_rank_p(first: Sequence[float], second: Sequence[float]) -> float:
    """Two-sided p-value of Wilcoxon's signed-rank test of the pairs; 1 where all are equal."""
    from scipy import stats

    differences = np.subtract(first, second)
    return float(stats.wilcoxon(differences).pvalue) if differences.any() else 1.0


def resampled(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """The 95% percentile bootstrap interval of the mean; nan where fewer than two values say."""
    if len(values) < 2:
        return math.nan, math.nan
    rows = np.random.default_rng(seed).integers(len(values), size=(RESAMPLED, len(values)))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(np.asarray(values)[rows].mean(1), [tail, 1 - tail])
    return float(low), float(high)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for being several (Holm 1979): rejecting those below a level keeps the
    probability of even one false rejection below it.

    The i-th smallest of m is multiplied by m - i + 1, made monotone and cut at 1. Missing ones
    (nan) stay missing and do not count.
    """
    corrected = [math.nan] * len(p_values)
    known = sorted(
        (i for i, p in enumerate(p_values) if not math.isnan(p)), key=p_values.__getitem__
    )
    largest = 0.0
    for place, i in enumerate(known):
        largest = max(largest, min(1.0, p_values[i] * (len(known) - place)))
        corrected[i] = largest
    return corrected
