"""E5 and E8 against numbers worked out by hand, values and gradients."""

import math

import pytest
import torch

from afa_ray.objectives.losses import adversarial_loss, confident, discriminator_loss, target_loss


def test_discriminator_loss_by_hand() -> None:
    untouched = torch.tensor([0.0, math.log(3)])  # D = 1/2, 3/4
    masked = torch.tensor([0.0, -math.log(4)])  # D = 1/2, 1/5
    expected = -(math.log(1 / 2) + math.log(3 / 4) + math.log(1 / 2) + math.log(4 / 5)) / 2
    assert discriminator_loss(untouched, masked).item() == pytest.approx(expected)


def test_discriminator_gradient_by_hand() -> None:
    # d L / d untouched = (D - 1) / B, d L / d masked = D / B
    untouched = torch.tensor([0.0, math.log(3)], requires_grad=True)
    masked = torch.tensor([0.0, -math.log(4)], requires_grad=True)
    discriminator_loss(untouched, masked).backward()
    assert untouched.grad is not None
    assert masked.grad is not None
    assert untouched.grad.tolist() == pytest.approx([-1 / 4, -1 / 8])
    assert masked.grad.tolist() == pytest.approx([1 / 4, 1 / 10])


def test_a_discriminator_that_knows_nothing_loses_two_log_two() -> None:
    assert discriminator_loss(torch.zeros(5), torch.zeros(5)).item() == pytest.approx(
        2 * math.log(2)
    )


def test_adversarial_loss_by_hand() -> None:
    advantages = torch.tensor([[1.0, -1.0], [0.5, -0.5]], requires_grad=True)
    log_probs = torch.tensor([[-1.0, -2.0], [-3.0, -4.0]], requires_grad=True)
    loss = adversarial_loss(advantages, log_probs)
    assert loss.item() == pytest.approx(-(-1 + 2 - 1.5 + 2) / 4)
    loss.backward()
    assert advantages.grad is None  # the reward is given, not learnt through
    assert log_probs.grad is not None
    assert log_probs.grad.tolist() == [[-0.25, 0.25], [-0.125, 0.125]]


def test_confident_by_hand() -> None:
    logits = torch.tensor([[math.log(3), 0.0]] * 2 + [[0.0, 0.0]], requires_grad=True)  # p .75, .5
    sure = confident(logits, torch.tensor([0, 1, 0]), 0.6)
    assert sure.tolist() == [True, False, False]
    assert confident(logits, torch.tensor([0, 1, 0]), 0.0).all()


def test_target_loss_by_hand() -> None:
    logits = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]], requires_grad=True)
    adversarial = torch.tensor(2.0, requires_grad=True)
    loss = target_loss(logits, torch.tensor([0, 1]), [(0.5, adversarial)])
    assert loss.item() == pytest.approx((-math.log(3 / 4) + math.log(2)) / 2 + 1)
    loss.backward()
    assert adversarial.grad is not None
    assert adversarial.grad.item() == pytest.approx(0.5)
    assert logits.grad is not None
    assert logits.grad[0].tolist() == pytest.approx([-1 / 8, 1 / 8])
