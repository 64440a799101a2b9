"""Attention against the row that it should be: numbers by hand, and what must not change them."""

import math
from typing import get_args

import pytest
import torch

from afa_ray.objectives.attention_loss import LossKind, attention_loss, by_text

KINDS = get_args(LossKind)
ROW, WANTED = [0.5, 0.3, 0.2], [1.0, 1.0, 0.0]  # t = .5, .5, 0
BY_HAND = {
    "kl": 0.5 * math.log(0.5 / 0.5) + 0.5 * math.log(0.5 / 0.3),
    "ce": -0.5 * math.log(0.5) - 0.5 * math.log(0.3),
    "reverse_kl": sum(
        a * math.log(a / (0.95 * t + 0.05 / 3)) for a, t in zip(ROW, [0.5, 0.5, 0.0], strict=True)
    ),
    "mse": 0.04 + 0.04,
    "sse": 0.04 + 0.04,
    "cosine": 1 - 0.4 / (math.sqrt(0.38) * math.sqrt(0.5)),
    "mass": 0.2,
}


def loss(kind: str, row: list, target: list, real: int | None = None) -> float:
    tensors = torch.tensor([row]), torch.tensor([target])
    present = torch.arange(len(row))[None] < (len(row) if real is None else real)
    return attention_loss(*tensors, present, kind).item()  # type: ignore[arg-type]


def random_rows(dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    random = torch.Generator().manual_seed(0)
    row = (torch.randn(4, 6, generator=random, dtype=dtype) / 3).softmax(-1)
    target = torch.rand(4, 6, generator=random, dtype=dtype)
    target[:, 2:4] = 0
    return row, target, torch.ones(4, 6, dtype=torch.bool)


@pytest.mark.parametrize("kind", KINDS)
def test_by_hand(kind: str) -> None:
    assert loss(kind, ROW, WANTED) == pytest.approx(BY_HAND[kind], abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_and_order_and_scale_change_nothing(kind: str) -> None:
    value = loss(kind, ROW, WANTED)
    assert loss(kind, [*ROW, 0.0, 0.0], [*WANTED, 0.0, 9.0], real=3) == pytest.approx(value)
    assert loss(kind, [0.2, 0.5, 0.3], [0.0, 1.0, 1.0]) == pytest.approx(value)
    assert loss(kind, ROW, [7.0, 7.0, 0.0]) == pytest.approx(value)


@pytest.mark.parametrize("kind", ["kl", "mse", "sse", "cosine"])
def test_zero_just_where_attention_is_as_wanted(kind: str) -> None:
    row, target, _ = random_rows()
    target = target / target.sum(-1, keepdim=True)
    present = torch.ones_like(row, dtype=torch.bool)
    same, _ = by_text(target, target, present, kind)  # type: ignore[arg-type]
    assert same.tolist() == pytest.approx([0.0] * 4, abs=1e-6)
    other, _ = by_text(row, target, present, kind)  # type: ignore[arg-type]
    assert (other > 1e-3).all()


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_is_that_of_finite_differences(kind: str) -> None:
    row, target, present = random_rows()
    row.requires_grad_()
    attention_loss(row, target, present, kind).backward()  # type: ignore[arg-type]
    step = 1e-3
    for place in [(0, 0), (1, 2), (3, 5)]:
        change = torch.zeros_like(row)
        change[place] = step
        up, down = (
            attention_loss(row.detach() + sign * change, target, present, kind)  # type: ignore[arg-type]
            for sign in (1, -1)
        )
        assert row.grad is not None
        assert row.grad[place].item() == pytest.approx(
            ((up - down) / (2 * step)).item(), rel=2e-3, abs=1e-3
        )


def test_ce_has_the_gradient_of_kl() -> None:
    gradients = []
    for kind in ("kl", "ce"):
        row, target, present = random_rows()
        row.requires_grad_()
        attention_loss(row, target, present, kind).backward()  # type: ignore[arg-type]
        gradients.append(row.grad)
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_target_there_is_no_loss(kind: str) -> None:
    row, target, present = random_rows()
    row.requires_grad_()
    nothing = attention_loss(row, torch.zeros_like(target), present, kind)  # type: ignore[arg-type]
    assert nothing.item() == 0
    nothing.backward()
    assert row.grad is not None
    assert row.grad.abs().max() == 0
    some = target.clone()
    some[:3] = 0  # the mean is over the texts that have one
    whole = attention_loss(row, some, present, kind)  # type: ignore[arg-type]
    alone = attention_loss(row[3:], some[3:], present[3:], kind)  # type: ignore[arg-type]
    assert whole.item() == pytest.approx(alone.item())
