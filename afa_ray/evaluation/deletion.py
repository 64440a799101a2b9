"""The deletion curve: accuracy after the tokens of highest attention are deleted.

The more a classifier's attention sits on the tokens that its decisions need, the faster the curve
falls below that of randomly deleted tokens (Liu, arXiv 2512.20661, figure 3).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from afa_ray.evaluation.one_pass import Measure, Scored
from afa_ray.evaluation.prediction import classify
from afa_ray.models import AnyTarget
from envs import delete_tokens

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


def _right_after_each(target: AnyTarget, batch: Scored) -> Tensor:
    """(2, 6) how many of the texts are classified right, by scores and by chance."""
    untouched = (batch.predicted == batch.labels).sum()[None]
    return torch.stack(
        [
            torch.cat(
                [untouched, right_after(target, *batch[:2], score, batch.maskable, batch.query)]
            )
            for score in (batch.scores, batch.chance)
        ]
    ).double()


def _curve(right: Tensor, count: int) -> DeletionCurve:
    by_attention, random = (right / count).tolist()
    return DeletionCurve(COUNTS, tuple(by_attention), tuple(random))


DELETION = Measure((2, len(COUNTS)), _right_after_each, _curve)
"""`DeletionCurve`: 0, 1, 2, 3, 5, 8 tokens of each text deleted (all maskable ones where there are
fewer)."""


def right_after(
    target: AnyTarget,
    tokens: Tensor,
    labels: Tensor,
    score: Tensor,
    maskable: Tensor,
    query: Tensor | None = None,
) -> Tensor:
    """How many of n texts are classified right without their 1, 2, 3, 5, 8 tokens of highest score.

    Args:
        tokens, score, maskable: (n, L); labels: (n,). query: (n, Q), what the texts are read for.
    """
    place = ranks(score, maskable)
    shorter = (delete_tokens(tokens, place < n, target.config.pad_token_id) for n in COUNTS[1:])
    return torch.stack([(classify(target, left, query) == labels).sum() for left in shorter])


def ranks(score: Tensor, maskable: Tensor) -> Tensor:
    """(n, L) place of each maskable token by descending score, 0 first; L at all others."""
    order = score.masked_fill(~maskable, -torch.inf).argsort(dim=-1, descending=True, stable=True)
    place = torch.arange(score.shape[-1], device=score.device).expand_as(order)
    return torch.zeros_like(order).scatter(-1, order, place).masked_fill(~maskable, order.shape[-1])


def _area(counts: tuple[int, ...], accuracy: tuple[float, ...]) -> float:
    return float(np.trapezoid(accuracy, counts) / (counts[-1] - counts[0]))
