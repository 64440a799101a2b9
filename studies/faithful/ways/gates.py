"""Readings of a pretrained encoder that gate attention in several layers, on trial.

A gate m_i multiplies what *every* position attends to token i with, in every head of the last
layers, up to all of them. With all gates of all layers 0 the position that is read has seen nothing
but special tokens: the text as if it were deleted, and the words, not what was mixed of them, are
what is weighed. y(m) is the class's logit.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

from afa_ray.explainers.interface import chosen, text_tokens
from afa_ray.explainers.quadrature import gauss_legendre
from afa_ray.explainers.reading import attention_ig
from afa_ray.models.attention_maps import attending_by
from afa_ray.models.interface import Inputs
from afa_ray.models.pretrained import PretrainedTarget, roll

IMPLEMENTATION = "afa_ways"
Logits = Callable[[Tensor], Tensor]
"""(B, L) gates -> (B, C) logits."""


@dataclass
class _Pass:
    """Gates (B, L) from layer `first` on, and what was seen: weights (B, H, L, L) and values
    (B, H, L, d_h) by layer."""

    gates: Tensor
    first: int
    renormalised: bool
    maps: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)


_pass: ContextVar[_Pass] = ContextVar("a gated pass")


def _attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **_: Any
) -> tuple[Tensor, Tensor]:
    now = _pass.get()
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    if mask is not None:
        scores = scores + mask
    gates = now.gates[:, None, None] if len(now.maps) >= now.first else None
    if gates is not None and now.renormalised:
        scores = scores + gates.clamp_min(1e-30).log()
    weights = scores.softmax(-1)
    now.maps.append(weights)
    now.values.append(value)
    if gates is not None and not now.renormalised:
        weights = weights * gates
    return (weights @ value).transpose(1, 2).contiguous(), weights


AttentionInterface.register(IMPLEMENTATION, _attend)
AttentionMaskInterface.register(IMPLEMENTATION, eager_mask)


def gated_pass(
    target: PretrainedTarget,
    inputs: Inputs,
    gates: Tensor,
    first: int = 0,
    renormalised: bool = False,
) -> tuple[Tensor, _Pass]:
    """(B, C) logits with (B, L) gates from layer `first` on; renormalised: rows sum to 1 again."""
    texts = target.align(inputs)
    now = _Pass(roll(gates, texts.shift), first, renormalised)
    token = _pass.set(now)
    try:
        with attending_by(IMPLEMENTATION, target):
            logits = target.model(input_ids=texts.tokens, attention_mask=texts.mask.long()).logits
    finally:
        _pass.reset(token)
    return logits, now


def layers_ig(last: int, steps: int, renormalised: bool = False) -> Callable[..., Tensor]:
    """The mean of dy/dm on the way of the gates of the `last` layers from 0 to 1; of no steps, the
    slope at 1: attention times gradient, summed over these layers."""

    def scores(target: PretrainedTarget, inputs: Inputs, classes: Tensor) -> Tensor:
        first = target._layers - last
        text = text_tokens(target, inputs)
        found = torch.zeros(text.shape, device=text.device)
        for place, share in _points(steps):
            with torch.enable_grad():
                gates = torch.where(text, place, 1.0).requires_grad_()
                logits, _ = gated_pass(target, inputs, gates, first, renormalised)
                (slope,) = torch.autograd.grad(chosen(logits, classes).sum(), gates)
            found += share * slope
        return found

    return scores


def _points(steps: int) -> list[tuple[float, float]]:
    """Places between 0 and 1, and their shares; of no steps, the end."""
    if steps == 0:
        return [(1.0, 1.0)]
    places, shares = gauss_legendre(steps)
    return list(zip(places.tolist(), shares.tolist(), strict=True))


def value_norm(target: PretrainedTarget, inputs: Inputs, classes: Tensor) -> Tensor:
    """|sum over heads of a_i v_i W_O| of the last row (Kobayashi et al., EMNLP 2020)."""
    ones = torch.ones(inputs.tokens.shape, device=inputs.tokens.device)
    _, seen = gated_pass(target, inputs, ones)
    texts = target.align(inputs)
    rows = _read_row(seen.maps[-1], texts.position)  # (B, H, L)
    each = (rows[..., None] * seen.values[-1]).transpose(1, 2).flatten(2)  # (B, L, d)
    weight = target.model.base_model.encoder.layer[-1].attention.output.dense.weight
    return roll((each @ weight.T).norm(dim=-1), -texts.shift)


def rolled(by_gradient: bool) -> Callable[..., Tensor]:
    """The last row's signed `attention_ig` by position, handed down to the words: through the lower
    layers' mean attention + I (rollout), or through their relu(A dA) + I (GAE)."""

    def scores(target: PretrainedTarget, inputs: Inputs, classes: Tensor) -> Tensor:
        row = attention_ig(target, inputs, classes).scores
        texts = target.align(inputs)
        with torch.enable_grad():
            ones = torch.ones(inputs.tokens.shape, device=row.device, requires_grad=True)
            logits, seen = gated_pass(target, inputs, ones)
            slopes = torch.autograd.grad(chosen(logits, classes).sum(), seen.maps)
        row = roll(row, texts.shift)
        for a, slope in list(zip(seen.maps, slopes, strict=True))[-2::-1]:
            through = (a * slope).relu().mean(1) if by_gradient else a.mean(1)
            if by_gradient:  # the scale of a gradient says nothing of how much is mixed
                through = through / through.sum(-1, keepdim=True).clamp_min(1e-12)
            row = (row + (row[:, None] @ through)[:, 0]) / 2
        return roll(row, -texts.shift)

    return scores


def _read_row(weights: Tensor, position: Tensor) -> Tensor:
    return weights[torch.arange(len(position), device=position.device), :, position]
