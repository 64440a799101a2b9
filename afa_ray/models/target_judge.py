"""The Target as the judge of its own masks: there is no other network, and nothing to learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from afa_ray.models import AnyTarget


class TargetJudge:
    """D(X~, c) = 1 - p(c | X~), with p the Target's probability of a class.

    In pairing `contrast` the Discriminator tells masked sequences of class c from untouched ones of
    other classes. What the Target itself holds to be of another class passes for one of these, so
    that a mask is paid r = -log(1 - D) = -log p(c | X~) (E6): the loss of the Target on its copy.
    """

    def __init__(self, target: AnyTarget) -> None:
        self.target = target

    def __call__(self, input_ids: Tensor, classes: Tensor) -> Tensor:
        """(N,) logits of D, log((1 - p) / p), of right-padded (N, L) ids and their (N,) classes."""
        present = input_ids != self.target.config.pad_token_id
        logits = self.target(input_ids, attention_mask=present).logits.float()
        own = F.one_hot(classes, logits.shape[-1]).bool()
        return logits.masked_fill(own, -torch.inf).logsumexp(-1) - logits[own]
