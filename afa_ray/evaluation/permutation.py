"""Would the decision be another if attention were put on other words? Shuffled attention.

Jain and Wallace, "Attention is not Explanation", NAACL 2019 (arXiv 1902.10186), section 4.2.1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from afa_ray.evaluation.distances import total_variation
from afa_ray.evaluation.given_attention import deciding, own_row
from afa_ray.explainers.interface import text_tokens
from afa_ray.models.interface import AttentionModel, Inputs
from afa_ray.noise import uniform

PERMUTATIONS = 100


def permuted(row: Tensor, text: Tensor, noise: Tensor) -> Tensor:
    """(B, M, L) the row's weights in random order within each text; the others stay.

    Args:
        row: (B, L); text: (B, L) bool, the tokens among which weights move.
        noise: (B, M, L) uniform, whose order is the permutation: all are equally likely.
    """
    places = torch.zeros_like(noise).masked_fill(~text[:, None], 2.0)
    fixed = places.argsort(dim=-1, stable=True)  # a text's tokens in their order, then the rest
    shuffled = noise.masked_fill(~text[:, None], 2.0).argsort(dim=-1, stable=True)
    weights = row[:, None].expand_as(noise).gather(-1, shuffled)
    return torch.zeros_like(weights).scatter(-1, fixed, weights)


def permutation_distance(
    model: AttentionModel,
    inputs: Inputs,
    *,
    seed: int,
    examples: Tensor,
    permutations: int = PERMUTATIONS,
) -> Tensor:
    """(B,) median total variation distance of the decisions by permuted attention from that by the
    model's own; everything that is attended to stays.

    Args:
        examples: (B,) int64, the texts' numbers in their corpus: they fix their permutations.
    """
    row, text = own_row(model, inputs), text_tokens(model, inputs)
    noise = uniform(seed, 0, examples, permutations, row.shape[1])
    at_once = max(1, model.evaluation_batch // max(1, len(row)))
    with torch.no_grad():
        decide = deciding(model, inputs)
        own = decide(row[:, None])
        found = [
            total_variation(decide(rows), own)
            for rows in permuted(row, text, noise).split(at_once, dim=1)
        ]
    return torch.cat(found, 1).quantile(0.5, dim=1)
