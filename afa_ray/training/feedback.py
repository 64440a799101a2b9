"""The feedback on the Target's attention: a policy masks tokens, and a judge pays for the masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from afa_ray.config import Settings
from afa_ray.losses import adversarial_loss, confident
from afa_ray.models import Discriminator, TargetJudge
from afa_ray.noise import uniform
from afa_ray.policy import Choice, log_prob, select, unit_scores
from afa_ray.training.optimisation import RowAdam, by_rows
from afa_ray.training.parts import Part, autocast
from envs import MaskingVectorEnv, group_advantage, squared_sum, whiten


class Play(NamedTuple):
    """What the policy chose in a part, (B, M, L) masks of what may be masked (B, L), and the
    figures of the judge's own update."""

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
    """The environment between the policy and its judge, which here learns nothing of its own.

    Args:
        judge: on `device`. The others: see `Learner`.
    """

    figures: tuple[str, ...] = ()  # names of those of the judge's own update
    discriminator: Discriminator | None = None
    optimizer: RowAdam | None = None  # the Discriminator's
    needs_partners = False  # whether batches are to hold untouched texts of other classes

    def __init__(
        self,
        settings: Settings,
        judge: Discriminator | TargetJudge,
        *,
        special_ids: tuple[int, ...],
        pad_id: int,
        mask_id: int | None,
        device: torch.device,
        add_up: Callable[[Tensor], object],
    ) -> None:
        self.afa, self.seed = settings.afa, settings.train.seed
        self.precision = settings.train.precision
        self.contrast = settings.discriminator.pairing == "contrast"
        self.device, self.pad_id, self.add_up = device, pad_id, add_up
        self._judges = judge.target if isinstance(judge, TargetJudge) else judge
        self.env = MaskingVectorEnv(
            discriminator=judge,
            k=self.afa.k,
            mask=self.afa.mask,
            special_ids=special_ids,
            pad_id=pad_id,
            mask_id=mask_id,
            device=device,
        )

    def play(self, parts: list[Part], row: Callable[[Part], Tensor], step: int) -> list[Paid]:
        """Choose masks, let the judge learn, and have it pay for them, part by part.

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
        """What the policy plays, part by part; a judge that learns does so here."""
        return [self._choose_masks(part, row(part).detach().float(), step)[0] for part in parts]

    def _choose_masks(
        self, part: Part, row: Tensor, step: int, own: int = 0
    ) -> tuple[Play, Tensor]:
        """What the policy plays, and the noise (B, own, 1 + L) of as many further draws."""
        maskable = self.env.game.maskable(part.tokens)
        samples = self.afa.num_masks
        noise = uniform(self.seed, step, part.examples, samples + own, 1 + row.shape[1])
        choice, masks = self._choose(
            row, maskable, part.units, noise[:, :samples], self.afa.epsilon
        )
        return Play(maskable, choice, masks, {}), noise[:, samples:]

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

    def _reward(self, part: Part, play: Play) -> Tensor:
        """(E6) (B, M): what the masking environment pays."""
        options = {"sequences": part.tokens}
        if self.contrast:
            options["condition"] = part.labels
        if part.units is not None:
            options["units"] = part.units
        self.env.reset(options=options)
        cast = autocast(self.device, self.precision, self._judges)
        with evaluating(self._judges), cast, by_rows(self._judges):
            _, rewards, *_ = self.env.step(play.masks)
        return rewards


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Without dropout within; afterwards as before."""
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)


def _by_unit(row: Tensor, maskable: Tensor, units: Tensor | None) -> tuple[Tensor, Tensor]:
    return (row, maskable) if units is None else unit_scores(row, maskable, units)
