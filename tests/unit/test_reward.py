"""E6 and E7, against numbers worked out by hand."""

import math

import pytest
import torch

from envs import group_advantage, log_confusion, squared_sum, whiten


def test_log_confusion_by_hand() -> None:
    logits = torch.tensor([0.0, math.log(3.0), -math.log(3.0)], dtype=torch.float64)
    # D = 1/2, 3/4, 1/4 untouched, so 1 - D = 1/2, 1/4, 3/4
    expected = [math.log(2.0), math.log(4.0), math.log(4.0 / 3.0)]
    assert log_confusion(logits).tolist() == pytest.approx(expected, rel=1e-12)


def test_log_confusion_of_a_discriminator_that_is_certain() -> None:
    rewards = log_confusion(torch.tensor([80.0, 1e4, -80.0, -1e4]))
    assert rewards[:2].tolist() == [80.0, 1e4]  # fully confused: the logit itself, no overflow
    assert rewards[2].item() == pytest.approx(math.exp(-80.0), rel=1e-5)  # not rounded to 0
    assert rewards[3].item() == 0.0


def test_log_confusion_is_minus_log_of_one_minus_d() -> None:
    logits = torch.linspace(-15, 15, 301, dtype=torch.float64).view(7, 43)
    expected = -torch.log(1 - torch.sigmoid(logits))
    torch.testing.assert_close(log_confusion(logits), expected, rtol=1e-8, atol=1e-10)


def test_log_confusion_grows_with_confusion() -> None:
    rewards = log_confusion(torch.linspace(-30, 30, 601))
    assert (rewards.diff() > 0).all()
    assert (rewards >= 0).all()


def test_group_advantage_by_hand() -> None:
    rewards = torch.tensor([[1.0, 2.0, 6.0], [0.5, 0.5, 0.5]])
    assert group_advantage(rewards).tolist() == [[-2.0, -1.0, 3.0], [0.0, 0.0, 0.0]]


def test_whitened_advantages_by_hand() -> None:
    """By the whole batch: what one sequence has more at stake than another stays."""
    advantages = torch.tensor([[-1.0, 1.0], [-7.0, 7.0]])  # mean square 25
    whitened = whiten(advantages, squared_sum(advantages))
    assert whitened.flatten().tolist() == pytest.approx([x / 5.0001 for x in (-1, 1, -7, 7)])
    parts = squared_sum(advantages[:1]) + squared_sum(advantages[1:])
    assert torch.equal(whiten(advantages[:1], parts), whitened[:1])
    nothing = torch.zeros(3, 2)
    assert torch.equal(whiten(nothing, squared_sum(nothing)), nothing)


@pytest.mark.parametrize("samples", [1, 2, 3, 4, 5, 7, 16, 100])
def test_equal_rewards_earn_nothing(samples: int) -> None:
    """The degenerate game: no signal, no NaN, and no rounding error blown up to an advantage."""
    levels = torch.rand(500, 1, generator=torch.Generator().manual_seed(0)) * 12
    rewards = levels.expand(-1, samples)
    assert group_advantage(rewards).abs().max() < 1e-5
    exact = torch.tensor([[0.0], [0.5], [4.0]]).expand(-1, samples)  # no rounding in their mean
    assert group_advantage(exact).eq(0).all()


def test_advantages_of_a_sequence_sum_to_zero_and_do_not_look_at_other_sequences() -> None:
    rewards = torch.rand(32, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    advantages = group_advantage(rewards)
    assert advantages.sum(-1).abs().max() < 1e-12
    shifted = group_advantage(rewards + torch.arange(32.0)[:, None])
    torch.testing.assert_close(shifted, advantages)
