"""The deletion curve: accuracy after the tokens of highest attention are deleted.

The more a classifier's attention sits on the tokens that its decisions need, the faster the curve
falls below that of randomly deleted tokens (Liu, arXiv 2512.20661, figure 3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from afa_ray.data.packed import PackedTexts
from afa_ray.evaluation.prediction import batches_on_device, read
from afa_ray.models import AnyTarget
from afa_ray.noise import uniform
from afa_ray.progress import Advance, ignored
from envs import delete_tokens, maskable_tokens

COUNTS = (0, 1, 2, 3, 5, 8)


@dataclass(frozen=True)
class DeletionCurve:
    """Accuracy after deleting `counts` tokens of each text, by attention and at random.

    The areas are those under the curves (trapezoids over 0 … 8 deleted tokens, divided by 8): mean
    accuracies. A smaller area by attention means that attention points at what matters.
    """

    counts: tuple[int, ...]
    by_attention: tuple[float, ...]
    random: tuple[float, ...]

    @property
    def area_by_attention(self) -> float:
        return _area(self.counts, self.by_attention)

    @property
    def area_random(self) -> float:
        return _area(self.counts, self.random)

    @property
    def normalized_area(self) -> float:
        """The area by attention over that of random deletion: below 1 where attention matters."""
        return self.area_by_attention / max(self.area_random, 1e-12)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {
            "area_by_attention": self.area_by_attention,
            "area_random": self.area_random,
            "normalized_area": self.normalized_area,
        }


def deletion_curve(
    target: AnyTarget,
    texts: PackedTexts,
    special_ids: tuple[int, ...],
    seed: int,
    *,
    rank: int = 0,
    workers: int = 1,
    add_up: Callable[[Tensor], object] = lambda tensor: tensor,
    advance: Advance = ignored,
) -> DeletionCurve:
    """Delete 0, 1, 2, 3, 5, 8 tokens of each text (all maskable ones where there are fewer).

    Args:
        special_ids: ids never deleted; seed: of the random order.
        rank, workers, add_up: with several workers each judges its share of the texts, and
            `add_up` sums a tensor over them in place.
    """
    right = torch.zeros(2, len(COUNTS), dtype=torch.float64, device=target.device)
    for examples, tokens in batches_on_device(texts, target, rank, workers, advance):
        numbers, labels = (
            torch.from_numpy(x).to(target.device) for x in (examples, texts.labels[examples])
        )
        untouched, row = read(target, tokens)
        maskable = maskable_tokens(tokens, special_ids)
        chance = uniform(seed, 0, numbers, 1, tokens.shape[1])[:, 0]
        right[:, 0] += (untouched == labels).sum()
        for i, score in enumerate((row, chance)):
            right[i, 1:] += right_after(target, tokens, labels, score, maskable)
    add_up(right)
    by_attention, random = (right / len(texts)).tolist()
    return DeletionCurve(COUNTS, tuple(by_attention), tuple(random))


def right_after(
    target: AnyTarget, tokens: Tensor, labels: Tensor, score: Tensor, maskable: Tensor
) -> Tensor:
    """How many of n texts are classified right without their 1, 2, 3, 5, 8 tokens of highest score.

    Args:
        tokens, score, maskable: (n, L); labels: (n,).
    """
    place = ranks(score, maskable)
    shorter = (delete_tokens(tokens, place < n, target.config.pad_token_id) for n in COUNTS[1:])
    return torch.stack([(read(target, left)[0] == labels).sum() for left in shorter])


def ranks(score: Tensor, maskable: Tensor) -> Tensor:
    """(n, L) place of each maskable token by descending score, 0 first; L at all others."""
    order = score.masked_fill(~maskable, -torch.inf).argsort(dim=-1, descending=True, stable=True)
    place = torch.arange(score.shape[-1], device=score.device).expand_as(order)
    return torch.zeros_like(order).scatter(-1, order, place).masked_fill(~maskable, order.shape[-1])


def _area(counts: tuple[int, ...], accuracy: tuple[float, ...]) -> float:
    return float(np.trapezoid(accuracy, counts) / (counts[-1] - counts[0]))
