"""Comprehensiveness and sufficiency, for other ways to take words away and for other judges."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from afa_ray.evaluation.deletion import ranks
from afa_ray.evaluation.erasure import left, probabilities, without_and_only
from afa_ray.evaluation.one_pass import Measure, Scored
from afa_ray.models import AnyTarget
from envs import delete_tokens

Away: TypeAlias = Callable[[AnyTarget, Tensor, Tensor], Tensor]
"""(model, (n, L) tokens, (n, L) bool, which) -> (n, L) tokens without these."""


def deleted(model: AnyTarget, tokens: Tensor, which: Tensor) -> Tensor:
    return delete_tokens(tokens, which, model.config.pad_token_id)


def exchanged(pool: Tensor, model: AnyTarget, tokens: Tensor, which: Tensor) -> Tensor:
    """With words of other texts in their place: drawn from a (P,) pool of tokens, by place."""
    place = torch.arange(tokens.numel(), device=tokens.device).view_as(tokens)
    return torch.where(which, pool.to(tokens.device)[(place * 7919) % len(pool)], tokens)


def masked(mask_id: int, model: AnyTarget, tokens: Tensor, which: Tensor) -> Tensor:
    """With [MASK] in their place."""
    return tokens.masked_fill(which, mask_id)


def erasure(away: Away = deleted, judge: AnyTarget | None = None) -> Measure:
    """Comprehensiveness and sufficiency (`afa_ray.evaluation.erasure`) of an explainer's scores.

    Args:
        away: how words are taken away.
        judge: whose probability of the class that it predicts falls; by default the explained
            model's.
    """
    return Measure((2,), partial(_lost, away, judge), lambda lost, n: (lost / n).tolist())


def _lost(away: Away, judge: AnyTarget | None, target: AnyTarget, batch: Scored) -> Tensor:
    """(2,) probability that is lost without the best words, and with them alone."""
    asked = judge or target
    best, predicted = probabilities(asked, batch.tokens).max(-1)
    lost = [
        best - left(asked, (away(asked, batch.tokens, which) for which in shares), predicted)
        for shares in without_and_only(ranks(batch.scores, batch.maskable), batch.maskable)
    ]
    return torch.stack(lost).double().sum(-1)


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error (Guo et al., ICML 2017): mean of |accuracy - confidence| over
    bins of equal width, weighted by their texts.

    Args:
        confidence: (N,) probability of the predicted class. right: (N,) bool.
    """
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(which, right - confidence, bins)
    return float(np.abs(gaps).sum() / len(right))
