"""Explainers that look at attention alone, and the one that looks at nothing."""

from __future__ import annotations

import torch
from torch import Tensor

from afa_ray.models.interface import AttentionModel, Inputs
from afa_ray.noise import stream, uniform


def attention(model: AttentionModel, inputs: Inputs, classes: Tensor) -> Tensor:
    """(E1) The model's own attention row, for whatever class; one forward pass."""
    row = model.decide(model.embed(inputs), inputs).attention_row
    assert row is not None
    return row


def random(model: AttentionModel, inputs: Inputs, classes: Tensor, *, seed: int = 0) -> Tensor:
    """Uniform numbers, a function of the seed and of the text alone; no pass at all."""
    tokens, present = inputs.tokens.cpu(), inputs.present.cpu()
    scores = torch.zeros(tokens.shape)
    for row, text, real in zip(scores, tokens, present, strict=True):
        number = torch.tensor([stream(*text[real].tolist())])
        row[real] = uniform(seed, 0, number, 1, int(real.sum()))[0, 0]
    return scores.to(inputs.tokens.device)
