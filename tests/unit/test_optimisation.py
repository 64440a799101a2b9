"""The learning rate by hand."""

import pytest

from afa_ray.training.optimisation import learning_rate_factor


def test_linear_by_hand() -> None:
    factors = [learning_rate_factor(step, 10, "linear", 4) for step in range(11)]
    expected = [0.25, 0.5, 0.75, 1.0, 1.0, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0.0]
    assert factors == pytest.approx(expected)


def test_constant() -> None:
    assert {learning_rate_factor(step, 10, "constant", 0) for step in range(10)} == {1.0}
    assert learning_rate_factor(0, 10, "constant", 2) == 0.5
