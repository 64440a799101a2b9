"""How even attention is: a row with the same weight everywhere explains nothing."""

from __future__ import annotations

import torch
from torch import Tensor

from afa_ray.evaluation.one_pass import Measure, Scored
from afa_ray.models import AnyTarget


def normalized_entropy(row: Tensor, maskable: Tensor) -> Tensor:
    """(n,) double: -sum p log p / log m, with p the row's share of each of the m maskable tokens;
    NaN where m < 2 or where they have no attention at all.

    Args:
        row, maskable: (n, L).
    """
    weight = row.double() * maskable
    share = weight / weight.sum(-1, keepdim=True)
    count = maskable.sum(-1)
    figure = torch.special.entr(share).sum(-1) / count.double().log()
    return figure.masked_fill(count < 2, torch.nan)


def _entropies(target: AnyTarget, batch: Scored) -> Tensor:
    """(2,) sum over the texts that say something, and how many these are."""
    found = normalized_entropy(batch.scores, batch.maskable)
    return torch.stack([found.nansum(), (~found.isnan()).sum()])


def _mean_entropy(sums: Tensor, count: int) -> float | None:
    total, judged = sums.tolist()
    return total / judged if judged else None


EVENNESS = Measure((2,), _entropies, _mean_entropy)
"""Mean normalised entropy over each text's maskable tokens: 1 is perfectly even, 0 is all on one.

Texts with fewer than two such tokens say nothing; None where all are so.
"""
