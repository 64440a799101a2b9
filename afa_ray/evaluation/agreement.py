"""Agreement of scores with marked words: human rationales, or planted ones."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from afa_ray.evaluation.one_pass import Measure, Scored
from afa_ray.models import AnyTarget


class Agreement(NamedTuple):
    """Each of B texts' (B,) `auroc` and `average_precision`; NaN where they say nothing."""

    auroc: Tensor
    average_precision: Tensor


def agreement(scores: Tensor, marked: Tensor, judged: Tensor) -> Agreement:
    """How well scores tell marked tokens from unmarked ones, text by text.

    With n(s) judged tokens that score at least s, and m(s) marked ones among them, a marked token
    contributes the share of unmarked ones that score less, equal ones counting half, to the AUROC
    (the Mann-Whitney statistic), and m(s) / n(s) at its own s to the average precision. Both are
    means over the marked tokens, equal to scikit-learn's text by text.

    Args:
        scores: (B, L) float. marked, judged: (B, L) bool.
    """
    marked = marked & judged
    falling, order = scores.masked_fill(~judged, -torch.inf).neg().sort(-1)
    is_marked = marked.gather(-1, order)
    marked_before = F.pad(is_marked.cumsum(-1), (1, 0))  # (B, L + 1)
    higher = torch.searchsorted(falling, falling)  # tokens that score higher
    as_high = torch.searchsorted(falling, falling, right=True)  # at least as high: n(s)
    marked_higher, marked_as_high = (marked_before.gather(-1, n) for n in (higher, as_high))
    count = marked.sum(-1).double()
    others = judged.sum(-1) - count
    unmarked_lower = others[:, None] - (higher - marked_higher + as_high - marked_as_high) / 2
    silent = (count == 0) | (others == 0)
    auroc = (unmarked_lower * is_marked).sum(-1) / (count * others)
    precision = (marked_as_high / as_high.double() * is_marked).sum(-1) / count
    return Agreement(*(x.masked_fill(silent, torch.nan) for x in (auroc, precision)))


def _agreements(target: AnyTarget, batch: Scored) -> Tensor:
    """(3,) sums of AUROC and average precision over the texts that say something, and of these."""
    assert batch.marked is not None
    found = torch.stack(agreement(batch.scores, batch.marked, batch.maskable))  # (2, n)
    judged = (~found[0].isnan()).sum()[None]
    return torch.cat([found.nansum(1), judged]).double()


def _mean_agreement(sums: Tensor, count: int) -> dict[str, float | int | None]:
    *totals, judged = sums.tolist()
    auroc, average_precision = (x / judged if judged else None for x in totals)
    return {"auroc": auroc, "average_precision": average_precision, "texts": int(judged)}


AGREEMENT = Measure((3,), _agreements, _mean_agreement)
"""`auroc` and `average_precision` of scores for "is marked", means over `texts`, so many.

Each text is judged by itself, over its maskable tokens, since attention sums to one in each. Texts
with no marked or no unmarked token say nothing and are left out; None where all are.
"""
