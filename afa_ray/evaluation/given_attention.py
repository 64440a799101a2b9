"""A decision by attention that is given: what tests of attention change, everything else fixed.

A row is given to every head of the last layer. So the decision that others are held against is the
one by the model's own row, the mean over its heads, given likewise: given back it changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from afa_ray.explainers.interface import repeated
from afa_ray.models import EncodedTarget, Target
from afa_ray.models.interface import AttentionModel, Inputs


def own_row(model: AttentionModel, inputs: Inputs) -> Tensor:
    """(B, L) float32, without gradient."""
    with torch.no_grad():
        row = model.decide(model.embed(inputs), inputs).row
    return row.float()


def deciding(model: AttentionModel, inputs: Inputs) -> Callable[[Tensor], Tensor]:
    """(B, K, C) probabilities by each of the rows (B, K, L) that it is given; gradients reach the
    rows alone. What attention weighs is computed once, but for a pretrained model."""
    if isinstance(model, EncodedTarget):
        with torch.no_grad():
            encoded = model.encode(model.embed(inputs), inputs.present, inputs.query)
        return lambda rows: model.by_rows(encoded, rows).float().softmax(-1)
    if isinstance(model, Target):
        with torch.no_grad():
            embedded = model.embed(inputs)
        return lambda rows: model.by_rows(embedded, inputs, rows).float().softmax(-1)
    return lambda rows: _repeatedly(model, inputs, rows)


def decided_by(model: AttentionModel, inputs: Inputs, rows: Tensor) -> Tensor:
    """The same, once."""
    return deciding(model, inputs)(rows)


def _repeatedly(model: AttentionModel, inputs: Inputs, rows: Tensor) -> Tensor:
    texts, count, length = rows.shape
    copies = repeated(inputs, count)  # the batch, K times over
    with torch.no_grad():
        embedded = model.embed(inputs).repeat(count, 1, 1)
    given = rows.transpose(0, 1).reshape(count * texts, length)
    logits = model.decide(embedded, copies, given).decision
    return logits.float().softmax(-1).view(count, texts, -1).transpose(0, 1)


def what_is_given(model: AttentionModel) -> str:
    """Which attention the row is, where a model has more, for people who read the figures."""
    if isinstance(model, EncodedTarget):
        return ""
    if isinstance(model, Target):
        if model.config.hops == 1:
            return ""
        return (
            f"It reads each text {model.config.hops} times. Its attention is the last reading's; "
            "where tests give it other attention, what the reading before has found stays, and "
            "reaches the decision beside it."
        )
    return (
        "Its attention is the last layer's, at the place where the classifier reads; where tests "
        "give it other attention, all that lies below stays as it is."
    )
