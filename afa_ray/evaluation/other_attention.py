"""Attention from elsewhere: even, or another model's; and how far an adversary's is from a model's.

Wiegreffe and Pinter, "Attention is not not Explanation", EMNLP 2019 (arXiv 1908.04626).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from afa_ray.evaluation.distances import kullback_leibler, total_variation

Order = Literal["published", "reverse"]


def even_row(text: Tensor) -> Tensor:
    """(B, L) 1 / n at each of a text's n words, (B, L) bool; 0 elsewhere."""
    return text / text.sum(-1, keepdim=True).clamp_min(1)


def among_words(row: Tensor, text: Tensor) -> Tensor:
    """(B, L) the row's weights at words, (B, L) bool, divided by their sum; even where it is 0."""
    words = row * text
    total = words.sum(-1, keepdim=True)
    shares = words / total.clamp_min(torch.finfo(row.dtype).tiny)
    return torch.where(total > 0, shares, even_row(text))


def departure_loss(
    probabilities: Tensor,
    own_probabilities: Tensor,
    row: Tensor,
    own_row: Tensor,
    *,
    weight: float,
    order: Order = "published",
) -> Tensor:
    """(B,) TVD(p, p') - lambda KL(a || a'): an adversary's, less what the model's own are.

    Args:
        probabilities, own_probabilities: (B, C) of adversary and model; row, own_row: (B, L).
        weight: lambda; order: reverse has KL(a' || a), which the author of the published code holds
            for the right one.
    """
    pair = (row, own_row) if order == "published" else (own_row, row)
    return total_variation(probabilities, own_probabilities) - weight * kullback_leibler(*pair)
