"""The adversary of an update: a Discriminator that learns from masks and then pays for them.

The Discriminator's update uses the first of the M masks of a sequence, or with
`discriminator.masks` random one of its own: a simplification of Algorithm 1 of Liu (arXiv
2512.20661).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from afa_ray.config import Settings
from afa_ray.losses import discriminator_loss
from afa_ray.models import Discriminator
from afa_ray.training.feedback import Feedback, Play
from afa_ray.training.optimisation import RowAdam, adam, by_rows, synchronising
from afa_ray.training.parts import Part, Wrap, autocast, wrapped


class DiscriminatorFeedback(Feedback):
    """Feedback by a Discriminator of its own, with its optimiser.

    Args:
        discriminator: on `device`. The others: see `Learner`.
    """

    figures = ("loss_d", "d_accuracy")
    discriminator: Discriminator
    optimizer: RowAdam

    def __init__(
        self, settings: Settings, discriminator: Discriminator, *, wrap: Wrap, **options: Any
    ) -> None:
        super().__init__(settings, discriminator, **options)
        self.needs_partners = self.contrast
        self.shows_random = settings.discriminator.masks == "random"
        self.discriminator, self._wrapped = discriminator, wrapped(discriminator, wrap)
        self.optimizer = adam(discriminator, settings.train.discriminator_lr)

    def _learn(self, parts: list[Part], row: Callable[[Part], Tensor], step: int) -> list[Play]:
        """(E5) One step on a mask of each sequence; what the policy played, part by part."""
        self.optimizer.zero_grad(set_to_none=True)
        plays = []
        for part in parts:
            scores = row(part).detach().float()
            play, noise = self._choose_masks(part, scores, step, own=self.shows_random)
            shown = play.masks
            if self.shows_random:
                _, shown = self._choose(scores, play.maskable, part.units, noise, epsilon=1.0)
            with synchronising(self._wrapped, part is parts[-1]):
                plays.append(play._replace(figures=self._judge(part, shown[:, 0])))
        self.optimizer.step()
        return plays

    def _judge(self, part: Part, mask: Tensor) -> dict[str, Tensor]:
        """The Discriminator's gradient on a part: (B, L) masked tokens against untouched ones."""
        self.discriminator.train()
        cast = autocast(self.device, self.precision, self.discriminator)
        with cast, by_rows(self.discriminator):
            untouched_logits, masked_logits = self._verdicts(part, mask)
            loss = discriminator_loss(untouched_logits.float(), masked_logits.float())
        (loss * part.weight).backward()
        right = (untouched_logits > 0).float() + (masked_logits <= 0).float()
        return {"loss_d": loss.detach(), "d_accuracy": right.mean() / 2}

    def _verdicts(self, part: Part, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B,) logits of untouched sequences, and of the masked ones."""
        game = self.env.game
        if part.partners is None and game.shares_copies:
            deleted = torch.stack([torch.zeros_like(mask), mask], 1)
            untouched_logits, masked_logits = self._wrapped(part.tokens, deleted=deleted).unbind(1)
            return untouched_logits, masked_logits
        untouched = part.tokens if part.partners is None else part.partners
        both = stack_padded(untouched, game.mask_out(part.tokens, mask), self.pad_id)
        condition = (part.labels.repeat(2),) if self.contrast else ()
        untouched_logits, masked_logits = self._wrapped(both, *condition).chunk(2)
        return untouched_logits, masked_logits


def stack_padded(first: Tensor, second: Tensor, pad_id: int) -> Tensor:
    """One (2 B, L) batch of two, each padded to the longer."""
    length = max(first.shape[1], second.shape[1])
    return torch.cat([F.pad(x, (0, length - x.shape[1]), value=pad_id) for x in (first, second)])
