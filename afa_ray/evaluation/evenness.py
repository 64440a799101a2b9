"""How even attention is: a row with the same weight everywhere explains nothing."""

from __future__ import annotations

import torch
from torch import Tensor

from afa_ray.data.packed import PackedTexts
from afa_ray.evaluation.prediction import batches_on_device, read
from afa_ray.models import AnyTarget
from afa_ray.progress import Advance, ignored
from envs import maskable_tokens


def evenness(
    target: AnyTarget,
    texts: PackedTexts,
    special_ids: tuple[int, ...],
    advance: Advance = ignored,
) -> float | None:
    """Mean normalised entropy of attention over each text's maskable tokens: 1 is perfectly even,
    0 is all on one token.

    Texts with fewer than two such tokens say nothing; None where all are so.
    """
    found = [
        normalized_entropy(read(target, tokens)[1], maskable_tokens(tokens, special_ids)).cpu()
        for _, tokens in batches_on_device(texts, target, advance=advance)
    ]
    figure = torch.cat(found).nanmean().item()
    return None if figure != figure else figure


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
