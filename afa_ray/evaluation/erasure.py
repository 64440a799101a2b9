"""Does the decision rest on what attention points at? Comprehensiveness and sufficiency.

DeYoung et al., "ERASER", ACL 2020: how much probability the predicted class loses when the tokens
of highest attention are taken away, and when nothing else is left. Averaged over the largest 1, 5,
10, 20 and 50% of each text's tokens, at least one. The same of random tokens stands beside them: a
classifier whose probabilities are more extreme has larger figures whatever it attends to.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from afa_ray.evaluation.deletion import ranks
from afa_ray.evaluation.one_pass import Measure, Scored
from afa_ray.evaluation.prediction import read
from afa_ray.models import AnyTarget
from envs import delete_tokens

SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)
FIGURES = (
    "comprehensiveness", "sufficiency", "random_comprehensiveness", "random_sufficiency",
)  # fmt: skip


def lost(target: AnyTarget, batch: Scored, scores: Tensor) -> Tensor:
    """(2, n) comprehensiveness and sufficiency of each text by these scores (n, L): probability of
    the predicted class that is lost."""
    best, predicted = batch.probabilities.max(-1)
    pad_id = target.config.pad_token_id
    deleted = (
        [delete_tokens(batch.tokens, mask, pad_id) for mask in masks]
        for masks in without_and_only(ranks(scores, batch.maskable), batch.maskable)
    )
    found = [best - left(target, copies, predicted, batch.query) for copies in deleted]
    return torch.stack(found).double()


def _sums(target: AnyTarget, batch: Scored) -> Tensor:
    both = [lost(target, batch, scores) for scores in (batch.scores, batch.chance)]
    return torch.cat(both).sum(-1)


def _means(sums: Tensor, count: int) -> dict[str, float]:
    return dict(zip(FIGURES, (sums / count).tolist(), strict=True))


ERASURE = Measure((len(FIGURES),), _sums, _means)
"""Means over texts and `SHARES` of p(c | X) - p(c | X'), c the class predicted for X.

X' is X without its tokens of highest score (comprehensiveness: large where the decision needs
them), or with nothing but them (sufficiency: small where they are enough).
"""


def without_and_only(place: Tensor, maskable: Tensor) -> tuple[Tensor, Tensor]:
    """(S, n, L) deleted tokens, for each share: the first ones, and all but the first ones."""
    shares = torch.tensor(SHARES, device=place.device)[:, None]
    counts = (shares * maskable.sum(-1)).round().clamp_min(1)  # (S, n)
    first = place < counts[..., None]
    return first, maskable & ~first


def left(
    target: AnyTarget, copies: Iterable[Tensor], predicted: Tensor, query: Tensor | None = None
) -> Tensor:
    """(n,) mean over (n, L) copies of the texts of the predicted class's probability."""
    found = torch.stack([probabilities(target, tokens, query) for tokens in copies])
    return found.gather(-1, predicted.expand(len(found), -1)[..., None]).mean((0, -1))


def probabilities(target: AnyTarget, tokens: Tensor, query: Tensor | None = None) -> Tensor:
    """(n, C) of the classes."""
    return read(target, tokens, query)[0].float().softmax(-1)
