"""Intervals, paired tests and Holm's correction against hand-computed and textbook numbers."""

import math

import numpy as np
import pytest

from afa_ray.evaluation.statistics import estimate, holm, paired_difference


def test_t_interval_by_hand() -> None:
    """1 … 5: s = sqrt(2.5), s / sqrt(5) = sqrt(.5), and t_{.975, 4} = 2.776445 (table)."""
    of = estimate([1, 2, 3, 4, 5])
    assert (of.mean, of.count) == (3, 5)
    assert of.half_width == pytest.approx(2.776445 * math.sqrt(0.5), rel=1e-6)


def test_one_value_has_no_interval() -> None:
    assert estimate([0.5]).mean == 0.5
    assert math.isnan(estimate([0.5]).half_width)
    assert math.isnan(paired_difference([1.0], [0.5]).p)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    draws = random.normal(2.0, 3.0, (4000, 5))
    covers = [abs((of := estimate(row)).mean - 2.0) <= of.half_width for row in draws]
    assert np.mean(covers) == pytest.approx(0.95, abs=0.012)  # three standard errors and a half


def test_paired_t_test_by_hand() -> None:
    """Differences 1, 2, 3: t = 2 / (1 / sqrt(3)) = 3.4641 on two degrees of freedom, where
    p = 1 - t / sqrt(2 + t²) = .0742."""
    of = paired_difference([4.0, 6.0, 8.0], [3.0, 4.0, 5.0])
    t = 2 * math.sqrt(3)
    assert of.mean == 2
    assert of.p == pytest.approx(1 - t / math.sqrt(2 + t**2), rel=1e-9)
    assert of.half_width == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)


def test_pairing_takes_out_what_a_seed_adds_to_both() -> None:
    seeds = np.array([0.0, 10.0, 20.0, 30.0])
    of = paired_difference(np.add(seeds, [1.0, 1.1, 0.9, 1.0]).tolist(), seeds.tolist())
    assert of.p < 0.001
    assert of.mean == pytest.approx(1.0)


def test_differences_that_are_all_the_same() -> None:
    assert paired_difference([1.0, 2.0], [1.0, 2.0]).p == 1
    assert paired_difference([2.0, 3.0], [1.0, 2.0]).p == 0


def test_holm_by_hand() -> None:
    """.005·4, .01·3, then .03·2 = .06, and .04·1 is raised to the .06 before it."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_leaves_out_what_is_missing_and_stops_at_one() -> None:
    corrected = holm([0.02, math.nan, 0.7, 0.9])
    assert corrected[0] == pytest.approx(0.06)
    assert math.isnan(corrected[1])
    assert corrected[2:] == [1, 1]
    assert holm([]) == []


def test_holm_keeps_the_rate_of_false_alarms() -> None:
    """Ten true null hypotheses: at level .05 a false one in at most 5% of the families."""
    families = np.random.default_rng(1).random((4000, 10))
    alarms = np.mean([min(holm(p.tolist())) < 0.05 for p in families])
    assert alarms == pytest.approx(1 - 0.995**10, abs=0.012)
