"""The adversary of an update: a Discriminator that learns from masks and then pays for them.

The Discriminator's update uses the first of the M masks of a sequence, or with
`discriminator.masks` random one of its own: a simplification of Algorithm 1 of Liu (arXiv
2512.20661).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from afa_ray.config import Settings
from afa_ray.losses import adversarial_loss, confident, discriminator_loss
from afa_ray.models import Discriminator
from afa_ray.noise import uniform
from afa_ray.policy import Choice, log_prob, select, unit_scores
from afa_ray.training.optimisation import adam, by_rows, synchronising
from afa_ray.training.parts import Part, Wrap, autocast, wrapped
from envs import MaskingVectorEnv, group_advantage, squared_sum, whiten


class Play(NamedTuple):
    """What the policy chose in a part, (B, M, L) masks of what may be masked (B, L), and the
    figures of the Discriminator's update."""

    maskable: Tensor
    choice: Choice
    masks: Tensor
    figures: dict[str, Tensor]


class Paid(NamedTuple):
    """A part that was played, and what its masks earned: rewards (E6) and advantages (E7), (B, M)
    each."""

    play: Play
    rewards: Tensor
    advantages: Tensor


class Feedback:
    """Discriminator, its optimiser, and the environment between it and the policy.

    Args:
        discriminator: on `device`. The others: see `Learner`.
    """

    def __init__(
        self,
        settings: Settings,
        discriminator: Discriminator,
        *,
        special_ids: tuple[int, ...],
        pad_id: int,
        mask_id: int | None,
        device: torch.device,
        wrap: Wrap,
        add_up: Callable[[Tensor], object],
    ) -> None:
        self.afa, self.seed = settings.afa, settings.train.seed
        self.contrast = settings.discriminator.pairing == "contrast"
        self.shows_random = settings.discriminator.masks == "random"
        self.device, self.pad_id, self.add_up = device, pad_id, add_up
        self.discriminator, self._wrapped = discriminator, wrapped(discriminator, wrap)
        self.optimizer = adam(discriminator, settings.train.discriminator_lr)
        self.env = MaskingVectorEnv(
            discriminator=discriminator,
            k=self.afa.k,
            mask=self.afa.mask,
            special_ids=special_ids,
            pad_id=pad_id,
            mask_id=mask_id,
            device=device,
        )

    def play(self, parts: list[Part], row: Callable[[Part], Tensor], step: int) -> list[Paid]:
        """Choose masks, let the Discriminator learn, and have it pay for them, part by part.

        Args:
            row: (B, L) attention row of a part; no gradient flows through it here.
        """
        plays = self._learn(parts, row, step)
        rewards = [self._reward(*both) for both in zip(parts, plays, strict=True)]
        advantages = [group_advantage(r, self.afa.normalize_advantage) for r in rewards]
        if self.afa.whiten_advantage:
            squares = torch.stack([squared_sum(a) for a in advantages]).sum(0)
            self.add_up(squares)
            advantages = [whiten(a, squares) for a in advantages]
        return [Paid(*each) for each in zip(plays, rewards, advantages, strict=True)]

    def loss(self, part: Part, paid: Paid, row: Tensor, logits: Tensor) -> Tensor:
        """(E8) L_adv of a part's masks, with gradient in `row` (B, L); logits: (B, C)."""
        play, advantages = paid.play, paid.advantages
        scores, eligible = _by_unit(row, play.maskable, part.units)
        log_probs = log_prob(scores, eligible, play.choice, self.afa.epsilon, self.afa.policy)
        if self.afa.confidence:
            sure = confident(logits, part.labels, self.afa.confidence)
            advantages = advantages * sure[:, None]
        return adversarial_loss(advantages, log_probs)

    def _learn(self, parts: list[Part], row: Callable[[Part], Tensor], step: int) -> list[Play]:
        """(E5) One step on a mask of each sequence; what the policy played, part by part."""
        self.optimizer.zero_grad(set_to_none=True)
        plays = []
        for part in parts:
            play, shown = self._choose_masks(part, row(part).detach().float(), step)
            with synchronising(self._wrapped, part is parts[-1]):
                plays.append(play._replace(figures=self._judge(part, shown)))
        self.optimizer.step()
        return plays

    def _choose_masks(self, part: Part, row: Tensor, step: int) -> tuple[Play, Tensor]:
        """What the policy plays, and the masks (B, L) that the Discriminator learns from."""
        maskable = self.env.game.maskable(part.tokens)
        samples = self.afa.num_masks
        noise = uniform(
            self.seed, step, part.examples, samples + self.shows_random, 1 + row.shape[1]
        )
        by_policy, own = noise[:, :samples], noise[:, samples:]
        choice, masks = self._choose(row, maskable, part.units, by_policy, self.afa.epsilon)
        shown = masks
        if self.shows_random:
            _, shown = self._choose(row, maskable, part.units, own, epsilon=1.0)
        return Play(maskable, choice, masks, {}), shown[:, 0]

    def _choose(
        self, row: Tensor, maskable: Tensor, units: Tensor | None, noise: Tensor, epsilon: float
    ) -> tuple[Choice, Tensor]:
        """(E3) The choice, of tokens or of words, and its masks (B, M, L) over tokens."""
        scores, eligible = _by_unit(row, maskable, units)
        choice = select(scores, eligible, noise, self.afa.k, epsilon, self.afa.policy)
        if units is None:
            return choice, choice.masks
        of_each = units[:, None].expand_as(choice.masks)
        return choice, choice.masks.gather(-1, of_each) & maskable[:, None]

    def _judge(self, part: Part, mask: Tensor) -> dict[str, Tensor]:
        """The Discriminator's gradient on a part: (B, L) masked tokens against untouched ones."""
        self.discriminator.train()
        with autocast(self.device), by_rows(self.discriminator):
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

    def _reward(self, part: Part, play: Play) -> Tensor:
        """(E6) (B, M): what the masking environment pays."""
        options = {"sequences": part.tokens}
        if self.contrast:
            options["condition"] = part.labels
        if part.units is not None:
            options["units"] = part.units
        self.env.reset(options=options)
        self.discriminator.eval()
        with autocast(self.device), by_rows(self.discriminator):
            _, rewards, *_ = self.env.step(play.masks)
        return rewards


def stack_padded(first: Tensor, second: Tensor, pad_id: int) -> Tensor:
    """One (2 B, L) batch of two, each padded to the longer."""
    length = max(first.shape[1], second.shape[1])
    return torch.cat([F.pad(x, (0, length - x.shape[1]), value=pad_id) for x in (first, second)])


def _by_unit(row: Tensor, maskable: Tensor, units: Tensor | None) -> tuple[Tensor, Tensor]:
    return (row, maskable) if units is None else unit_scores(row, maskable, units)
