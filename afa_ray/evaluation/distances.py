"""How far two decisions, or two attention rows, are apart."""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-10  # within logarithms, as published: 0 log 0 is 0
LARGEST_DIVERGENCE = 0.6931471805599453  # ln 2, in nats


def total_variation(first: Tensor, second: Tensor) -> Tensor:
    """TVD(p, q) = 1/2 sum_c |p_c - q_c|, from 0 to 1.

    Args:
        first, second: (..., C) probabilities. Of two classes it is |p_1 - q_1|.

    Returns:
        (...,)
    """
    return (first - second).abs().sum(-1) / 2


def jensen_shannon(first: Tensor, second: Tensor) -> Tensor:
    """JSD(a, b) = 1/2 KL(a || m) + 1/2 KL(b || m) with m = (a + b) / 2, in nats: 0 to ln 2.

    Args:
        first, second: (..., L), each with sum 1; 0 where nothing is attended to.

    Returns:
        (...,)
    """
    middle = (first + second) / 2
    return (kullback_leibler(first, middle) + kullback_leibler(second, middle)) / 2


def mean_divergence(rows: Tensor) -> Tensor:
    """Mean over k, k' of JSD(a_k, a_k'), each pair computed once.

    It is 1/2 sum a log a + 1/2 sum b log b - sum m log m with m = (a + b) / 2.

    Args:
        rows: (..., K, L), each with sum 1.

    Returns:
        (...,)
    """
    count = rows.shape[-2]
    first, second = torch.triu_indices(count, count, 1, device=rows.device)
    middle = (rows[..., first, :] + rows[..., second, :]) / 2
    own = _negentropy(rows).sum(-1) * (count - 1) / 2  # of either side of all pairs
    return 2 * (own - _negentropy(middle).sum(-1)) / count**2


def _negentropy(rows: Tensor) -> Tensor:
    return (rows * (rows + EPSILON).log()).sum(-1)


def kullback_leibler(first: Tensor, second: Tensor) -> Tensor:
    """KL(a || b) = sum_t a_t (log a_t - log b_t), in nats; 0 log 0 is 0. (..., L) -> (...,)."""
    return (first * ((first + EPSILON).log() - (second + EPSILON).log())).sum(-1)
