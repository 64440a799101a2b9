"""How far an attention row is from the row that it should be: one loss for all supervision.

Rows are taken as they are. Published code often puts a second softmax over attention, whose values
between 0 and 1 then come out nearly alike, and with them whatever is held against them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

LossKind = Literal["kl", "ce", "reverse_kl", "mse", "sse", "cosine", "mass"]
LEAST = 1e-8  # attention within a logarithm
EVEN = 0.05  # share of the target that reverse_kl spreads over all tokens


def attention_loss(row: Tensor, target: Tensor, present: Tensor, kind: LossKind = "kl") -> Tensor:
    """Scalar, the mean of `by_text` over the texts that have a target; 0 where none has."""
    return mean_over(*by_text(row, target, present, kind))[0]


def mean_over(losses: Tensor, there: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The mean of (B,) losses over the texts that have one, (B,) bool, 0 where none has; and the
    figures of supervised attention."""
    loss = losses.where(there, 0).sum() / there.sum().clamp_min(1)
    return loss, {"loss_attention": loss.detach(), "supervised": there.float().mean()}


def by_text(
    row: Tensor, target: Tensor, present: Tensor, kind: LossKind = "kl"
) -> tuple[Tensor, Tensor]:
    """The loss of each text between its attention a and target t, which is made to sum to 1.

    kl: sum t (log t - log a). ce: -sum t log a. reverse_kl: sum a (log a - log t'), with .05 of t'
    spread evenly over the tokens. sse: sum (a - t)^2, and mse, the mean of that times the number of
    tokens, without which it would vanish with length: the same. cosine: 1 - a t / |a| |t|. mass: 1
    less the attention where t is above 0.

    Args:
        row: (…, L), sums to 1, 0 at padding; the gradient flows into it.
        target: (…, L), not negative; (…, L) bool `present`: real tokens.

    Returns:
        (…) losses, 0 where nothing of the target is above 0, and (…) bool, where something is.
    """
    row, target = row.float(), target.float() * present
    total = target.sum(-1, keepdim=True)
    valid = total[..., 0] > 0
    target = target / total.where(valid[..., None], 1)
    return LOSSES[kind](row, target, present).where(valid, 0), valid


def _kl(row: Tensor, target: Tensor, present: Tensor) -> Tensor:
    return torch.special.xlogy(target, target).sum(-1) + _cross_entropy(row, target, present)


def _cross_entropy(row: Tensor, target: Tensor, present: Tensor) -> Tensor:
    return -(target * row.clamp_min(LEAST).log()).sum(-1)


def _reverse_kl(row: Tensor, target: Tensor, present: Tensor) -> Tensor:
    even = present / present.sum(-1, keepdim=True).clamp_min(1)
    wanted = ((1 - EVEN) * target + EVEN * even).where(present, 1)
    return (row * (row.clamp_min(LEAST).log() - wanted.log())).sum(-1)


def _squares(row: Tensor, target: Tensor, present: Tensor) -> Tensor:
    return (row - target).square().sum(-1)


def _cosine(row: Tensor, target: Tensor, present: Tensor) -> Tensor:
    norms = row.norm(dim=-1) * target.norm(dim=-1)
    return 1 - (row * target).sum(-1) / norms.clamp_min(LEAST)


def _mass(row: Tensor, target: Tensor, present: Tensor) -> Tensor:
    return 1 - (row * (target > 0)).sum(-1)


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "kl": _kl,
    "ce": _cross_entropy,
    "reverse_kl": _reverse_kl,
    "mse": _squares,
    "sse": _squares,
    "cosine": _cosine,
    "mass": _mass,
}
