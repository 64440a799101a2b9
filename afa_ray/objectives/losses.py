"""The three losses (E5, E8). Each is a mean over a batch, in nats."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(untouched_logits: Tensor, masked_logits: Tensor) -> Tensor:
    """(E5) L_D = -(log D(X) + log(1 - D(X~))), mean over the batch.

    D = sigmoid(logit) is the probability that a sequence is untouched (see
    `envs.reward.log_confusion`). In pairing `original` X~ is the masked copy of X; in pairing
    `contrast` X has another class than X~, and D is given the class of X~ for both.

    Args:
        untouched_logits, masked_logits: (B,) each.

    Returns:
        scalar; 2 log 2 = 1.386 for a Discriminator that knows nothing.
    """
    return (F.softplus(-untouched_logits) + F.softplus(masked_logits)).mean()


def adversarial_loss(advantages: Tensor, log_probs: Tensor) -> Tensor:
    """(E8) L_adv = -mean over B and M of R * log pi.

    Args:
        advantages: (B, M), without gradient (E7); log_probs: (B, M) (E4).
    """
    return -(advantages.detach() * log_probs).mean()


def confident(logits: Tensor, labels: Tensor, least: float) -> Tensor:
    """p(y | X) > c: texts whose label the Target sees, so that there is evidence to point at.

    L_adv is then -mean over B and M of 1[p(y | X) > c] R * log pi. Of texts that are labelled
    against their words, the evidence for the label is elsewhere or nowhere.

    Args:
        logits: (B, C); labels: (B,) int64; least: c in [0, 1).

    Returns:
        (B,) bool, without gradient.
    """
    return logits.detach().softmax(-1).gather(1, labels[:, None])[:, 0] > least


def target_loss(
    logits: Tensor, labels: Tensor, others: Sequence[tuple[float, Tensor]] = ()
) -> Tensor:
    """(E2, E8) L_T = L_cls + sum of lambda_i L_i, with L_cls the cross-entropy.

    Args:
        logits: (B, C); labels: (B,) int64.
        others: lambda_i >= 0 and the scalar L_i of each objective on the attention, such as L_adv.
    """
    loss = F.cross_entropy(logits, labels)
    for weight, other in others:
        loss = loss + weight * other
    return loss
