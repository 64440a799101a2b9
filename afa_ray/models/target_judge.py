"""A Target as a judge of masks: of its own, or, as a twin that learns to be one, of another's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from afa_ray.models.interface import reading_for
from afa_ray.models.target import Target

if TYPE_CHECKING:
    from afa_ray.models import AnyTarget


class TargetJudge:
    """D(X~, c) = 1 - p(c | X~), with p the Target's probability of a class.

    In pairing `contrast` the Discriminator tells masked sequences of class c from untouched ones of
    other classes. What the Target itself holds to be of another class passes for one of these, so
    that a mask is paid r = -log(1 - D) = -log p(c | X~) (E6): the loss of the Target on its copy.

    A twin learns that by the Discriminator's loss (E5), with X' an untouched text of another class:
    L_D = -log(1 - p(c | X')) - log p(c | X~).

    Args:
        module: what computes the Target's output, by default itself (DistributedDataParallel).
    """

    def __init__(self, target: AnyTarget, module: nn.Module | None = None) -> None:
        self.target, self.module = target, module or target

    @property
    def shares_copies(self) -> bool:
        """Whether it judges copies with deleted tokens without their being made."""
        return isinstance(self.target, Target)

    def __call__(self, input_ids: Tensor, classes: Tensor, deleted: Tensor | None = None) -> Tensor:
        """(N,) logits of D, log((1 - p) / p), or (N, V) of V copies with deleted tokens.

        Args:
            input_ids: (N, L) int64, right-padded; classes: (N,) int64, or (N, 1 + Q), each with
                what its text is read for.
            deleted: (N, V, L) bool, what each copy lacks (where `shares_copies`).
        """
        query = classes[:, 1:] if classes.dim() == 2 else None
        classes = classes if query is None else classes[:, 0]
        if deleted is None:
            present = input_ids != self.target.config.pad_token_id
            logits = self.module(input_ids, attention_mask=present, **reading_for(query)).logits
        else:
            assert isinstance(self.target, Target)
            logits, classes = self.target.copies(input_ids, deleted), classes[:, None]
        return -log_odds(logits.float(), classes)


def log_odds(logits: Tensor, classes: Tensor) -> Tensor:
    """(…) log p / (1 - p) of one class each, p = softmax(logits); logits (…, C), classes (…)."""
    own = F.one_hot(classes, logits.shape[-1]).bool()
    others = logits.masked_fill(own, -torch.inf).logsumexp(-1)
    return logits.where(own, 0).sum(-1) - others
