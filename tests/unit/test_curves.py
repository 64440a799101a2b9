"""Smoothed curves, and the texts that one of them saves on the other."""

import math

import numpy as np
import pytest

from tune.curves import labels_saved, lowess, saved

SIZES = np.array([100.0, 200, 300, 400])


def test_a_line_stays_a_line() -> None:
    x = np.arange(20.0)
    assert lowess(x, 3 - 2 * x, np.array([0.0, 7.5, 19])) == pytest.approx([3, -12, -35])


def test_points_at_one_place_give_their_mean() -> None:
    x, y = np.array([1.0, 1, 1, 5, 5, 5]), np.array([0.0, 1, 2, 6, 7, 8])
    assert lowess(x, y, np.array([1.0, 5])) == pytest.approx([1, 7])


def test_the_weights_of_the_nearest_points() -> None:
    """At 0 the three nearest are 0, 1 and 2, the last of weight 0: a line through two points."""
    x, y = np.array([0.0, 1, 2, 3, 4, 9]), np.array([1.0, 5, -7, 0, 0, 0])
    assert lowess(x, y, np.array([0.0]), fraction=0.5) == pytest.approx([1])
    near = (
        1 - 0.5**3
    ) ** 3  # at 2, of the points at 1 and 3 beside it, where 0 and 4 weigh nothing
    middle = near * (5 + 0) + -7
    assert lowess(x, y, np.array([2.0]), fraction=0.8) == pytest.approx([middle / (1 + 2 * near)])


def test_a_curve_that_is_there_with_half_the_texts() -> None:
    """Levels .6 to .8 are in common: the base needs 100 to 300 texts more than … 100 less each."""
    base = np.array([[0.5, 0.6, 0.7, 0.8]] * 2)
    rival = np.array([[0.6, 0.7, 0.8, 0.9]] * 2)
    assert labels_saved(SIZES, base, rival) == pytest.approx(100)
    assert labels_saved(SIZES, rival, base) == pytest.approx(-100)
    assert labels_saved(SIZES, base, base) == 0
    assert saved(SIZES, base, rival) == pytest.approx((100, 100, 100))


def test_a_dip_is_levelled_and_the_first_size_counts() -> None:
    """.7, .6 become .65 twice: reached with 200 texts."""
    base = np.array([[0.5, 0.7, 0.6, 0.8]] * 2)
    even = np.array([[0.5, 0.65, 0.65, 0.8]] * 2)
    assert labels_saved(SIZES, base, even) == pytest.approx(0, abs=1e-9)


def test_no_level_in_common() -> None:
    low, high = np.array([[0.1, 0.2, 0.3, 0.4]] * 2), np.array([[0.6, 0.7, 0.8, 0.9]] * 2)
    assert all(map(math.isnan, saved(SIZES, low, high)))


def test_the_interval_is_of_replicates() -> None:
    rng = np.random.default_rng(0)
    base = np.array([0.5, 0.6, 0.7, 0.8]) + rng.normal(0, 0.01, (10, 1))
    found = saved(SIZES, base, base + 0.05 + rng.normal(0, 0.01, (10, 1)))
    assert found.low < found.mean < found.high
    assert found.mean == pytest.approx(50, abs=15)
