"""Explainers that ask what the decision has of each token by way of the attention it is read with.

A gate m_i multiplies what the aggregating position attends to token i with, in every head, and in
every hop of a single layer; of a pretrained classifier, in the last layer. Nothing below that has
to be computed anew, and no gradient goes there. In `layers_ig` it multiplies what every position
attends to token i with, in every layer. All gates are 1 in the model as it is; y(m) is the class's
logit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from afa_ray.explainers.interface import Explained, chosen, text_tokens
from afa_ray.explainers.layers import layers_of
from afa_ray.explainers.quadrature import gauss_legendre
from afa_ray.models import OwnTarget
from afa_ray.models.interface import AttentionModel, Inputs

Logits: TypeAlias = Callable[[Tensor], Tensor]
"""(B, L) gates -> (B, C) logits."""


def attention_x_gradient(model: AttentionModel, inputs: Inputs, classes: Tensor) -> Tensor:
    """dy/dm_i = sum a_i dy/da_i at m = 1 (Serrano and Smith 2019): to first order, what the logit
    loses without token i's share of the attention; signed. One pass."""
    ones = torch.ones(inputs.tokens.shape, device=model.device)
    return _slope(lambda gates: model.gated(inputs, gates), classes, ones)


def attention_ig(
    model: AttentionModel, inputs: Inputs, classes: Tensor, *, steps: int = 3
) -> Explained:
    """The mean of dy/dm_i on the way of the text's gates from 0 to 1: integrated gradients by the
    attention, as in self-attention attribution (Hao et al., AAAI 2021), of the row that is read.

    The scores of a text sum to y(1) - y(0), what the logit has of the text by this attention.
    Gauss-Legendre quadrature with `steps` points; special tokens' gates stay 1.

    Returns:
        Explained, with `completeness_error`, `difference` (y(1) - y(0)) and `steps`.
    """
    return _integrated(lambda gates: model.gated(inputs, gates), model, inputs, classes, steps)


def layers_ig(
    model: AttentionModel, inputs: Inputs, classes: Tensor, *, steps: int = 3
) -> Explained:
    """The same with one gate for all that is attended to token i, from any position in any layer:
    with gates 0 the decision has seen nothing of the text but what stands where it is read.

    What stands at a position of a pretrained model's last layer was mixed of many words below, so
    that a gate there is not one word's; here a word is followed from the first layer on. A single
    layer, and one over an encoder of another kind, has no attention below: that is `attention_ig`.
    Tokens' own states are not gated, so that of a decoder y(0) still has the last token.

    Returns:
        Explained, with `completeness_error`, `difference` (y(1) - y(0)) and `steps`.
    """
    if isinstance(model, OwnTarget):
        return attention_ig(model, inputs, classes, steps=steps)

    def logits(gates: Tensor) -> Tensor:
        return layers_of("layers_ig", model, inputs, gates=gates).logits

    return _integrated(logits, model, inputs, classes, steps)


def _integrated(
    logits: Logits, model: AttentionModel, inputs: Inputs, classes: Tensor, steps: int
) -> Explained:
    """The mean of dy/dm over the text's gates from 0 to 1, with its figures."""
    text = text_tokens(model, inputs)

    def gates(of_text: float) -> Tensor:
        return torch.where(text, of_text, 1.0)

    nothing, whole = (chosen(logits(gates(end)), classes) for end in (0.0, 1.0))
    difference = whole - nothing
    scores = sum(
        float(share) * _slope(logits, classes, gates(place))
        for place, share in zip(*gauss_legendre(steps), strict=True)
    )
    assert isinstance(scores, Tensor)
    scores = scores.masked_fill(~text, 0.0)
    error = (scores.sum(-1) - difference).abs()
    used = torch.full_like(difference, steps)
    return Explained(scores, {"completeness_error": error, "difference": difference, "steps": used})


def _slope(logits: Logits, classes: Tensor, gates: Tensor) -> Tensor:
    """(B, L) dy/dm at these gates."""
    with torch.enable_grad():
        gates = gates.requires_grad_()
        total = chosen(logits(gates), classes).sum()
        (found,) = torch.autograd.grad(total, gates)
    return found
