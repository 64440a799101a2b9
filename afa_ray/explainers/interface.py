"""An explainer: what each token meant to a model's decision. Attention is the first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from torch import Tensor

from afa_ray.models.interface import AttentionModel, Inputs

Explainer: TypeAlias = Callable[[AttentionModel, Inputs, Tensor], Tensor]
"""(model in eval mode, inputs, class (B,) int64 to explain) -> (B, L) scores, higher where a token
speaks more for the class; special tokens and padding have 0. Gradients are off when it is called:
one that needs them switches them on."""


def attention(model: AttentionModel, inputs: Inputs, classes: Tensor) -> Tensor:
    """(E1) The model's own attention row, for whatever class, special tokens included."""
    row = model.decide(model.embed(inputs), inputs).attention_row
    assert row is not None
    return row
