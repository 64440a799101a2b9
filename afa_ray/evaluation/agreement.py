"""Agreement of the attention with marked words: human rationales, or planted ones."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from afa_ray.data.packed import PackedTexts
from afa_ray.evaluation.prediction import batches_on_device, read
from afa_ray.models import AnyTarget
from afa_ray.progress import Advance, ignored
from envs import maskable_tokens


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


def agreement_with_marks(
    target: AnyTarget,
    texts: PackedTexts,
    special_ids: tuple[int, ...],
    advance: Advance = ignored,
) -> dict[str, float | int | None]:
    """AUROC and average precision of attention as a score for "is marked", means over texts.

    Each text is judged by itself, over its maskable tokens, since attention sums to one in each.
    Texts with no marked or no unmarked token say nothing and are left out; None where all are.

    Returns:
        auroc, average_precision, and texts, the number of texts judged.
    """
    found = []
    for examples, tokens in batches_on_device(texts, target, advance=advance):
        marked = torch.from_numpy(texts.padded_marks(examples)).to(tokens.device).bool()
        row = read(target, tokens)[1]
        found.append(torch.stack(agreement(row, marked, maskable_tokens(tokens, special_ids))))
    figures = torch.cat(found, 1)  # (2, N)
    auroc, average_precision = figures.nanmean(1).tolist()
    judged = int((~figures[0].isnan()).sum())
    return {
        "auroc": auroc if judged else None,
        "average_precision": average_precision if judged else None,
        "texts": judged,
    }
