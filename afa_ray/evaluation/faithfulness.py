"""Does the decision rest on what attention points at? Comprehensiveness and sufficiency.

DeYoung et al., "ERASER", ACL 2020: how much probability the predicted class loses when the tokens
of highest attention are taken away, and when nothing else is left. Averaged over the largest 1, 5,
10, 20 and 50% of each text's tokens, at least one. The same of random tokens stands beside them: a
classifier whose probabilities are more extreme has larger figures whatever it attends to.
"""

from __future__ import annotations

import torch
from torch import Tensor

from afa_ray.data.packed import PackedTexts
from afa_ray.evaluation.deletion import ranks
from afa_ray.evaluation.prediction import batches_on_device, probabilities
from afa_ray.models import AnyTarget
from afa_ray.noise import uniform
from afa_ray.progress import Advance, ignored
from envs import delete_tokens, maskable_tokens

SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)
FIGURES = (
    "comprehensiveness", "sufficiency", "random_comprehensiveness", "random_sufficiency",
)  # fmt: skip


def faithfulness(
    target: AnyTarget,
    texts: PackedTexts,
    special_ids: tuple[int, ...],
    seed: int,
    advance: Advance = ignored,
) -> dict[str, float]:
    """Means over texts and `SHARES` of p(c | X) - p(c | X'), c the class predicted for X.

    X' is X without its tokens of highest attention (comprehensiveness: large where the decision
    needs them), or with nothing but them (sufficiency: small where they are enough).

    Args:
        special_ids: ids never deleted; seed: of the random tokens.
    """
    totals = torch.zeros(len(FIGURES), dtype=torch.float64, device=target.device)
    for examples, tokens in batches_on_device(texts, target, advance=advance):
        untouched, row = probabilities(target, tokens)
        best, predicted = untouched.max(-1)
        maskable = maskable_tokens(tokens, special_ids)
        numbers = torch.from_numpy(examples).to(target.device)
        chance = uniform(seed, 0, numbers, 1, tokens.shape[1])[:, 0]
        lost = [
            best - _left(target, tokens, deleted, predicted)
            for score in (row, chance)
            for deleted in _without_and_only(ranks(score, maskable), maskable)
        ]
        totals += torch.stack(lost).double().sum(-1)
    return dict(zip(FIGURES, (totals / len(texts)).tolist(), strict=True))


def _without_and_only(place: Tensor, maskable: Tensor) -> tuple[Tensor, Tensor]:
    """(S, n, L) deleted tokens, for each share: the first ones, and all but the first ones."""
    shares = torch.tensor(SHARES, device=place.device)[:, None]
    counts = (shares * maskable.sum(-1)).round().clamp_min(1)  # (S, n)
    first = place < counts[..., None]
    return first, maskable & ~first


def _left(target: AnyTarget, tokens: Tensor, deleted: Tensor, predicted: Tensor) -> Tensor:
    """(n,) mean over the (S, n, L) deletions of the predicted class's probability."""
    left = [
        probabilities(target, delete_tokens(tokens, mask, target.config.pad_token_id))[0]
        for mask in deleted
    ]
    return torch.stack(left).gather(-1, predicted.expand(len(left), -1)[..., None]).mean((0, -1))
