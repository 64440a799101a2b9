"""What a masked sequence earns: the Discriminator's log-confusion, and the group baseline."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SPREAD_FLOOR = 1e-4  # nats


def log_confusion(logits: Tensor) -> Tensor:
    """(E6) r(X~) = -log(1 - D(X~)) = softplus(logit), in nats, never negative.

    D(X~) = sigmoid(logit) is the probability that X~ is *untouched*, so the reward is large where
    the Discriminator is confused by the masked sequence. The text of Liu (arXiv 2512.20661) once
    calls D the probability of masking; its Algorithm 1 and its loss only agree with this reading.

    Args:
        logits: any shape, the Discriminator's logits of masked sequences.
    """
    return F.softplus(logits)


def squared_sum(advantages: Tensor) -> Tensor:
    """(2,) float64: the sum of squares and the count, which add up over the parts of a batch."""
    total = advantages.double().square().sum()
    return torch.stack([total, total.new_tensor(advantages.numel())])


def whiten(advantages: Tensor, squares: Tensor) -> Tensor:
    """R / (sigma + `SPREAD_FLOOR`), with sigma the root mean square of R over a whole batch.

    Advantages sum to zero over each sequence's masks (E7), so sigma is their standard deviation.
    Unlike a deviation by sequence this keeps which sequences have more at stake.

    Args:
        advantages: (B, M), of a batch or a part of it; squares: (2,), `squared_sum` of the whole.
    """
    sigma = (squares[0] / squares[1]).sqrt().to(advantages.dtype)
    return advantages / (sigma + SPREAD_FLOOR)


def group_advantage(rewards: Tensor) -> Tensor:
    """(E7) R(X~_m) = r(X~_m) - mean over the M masks of the same sequence.

    Args:
        rewards: (B, M), nats.

    Returns:
        (B, M) advantages that sum to zero over M.
    """
    return rewards - rewards.mean(-1, keepdim=True)
