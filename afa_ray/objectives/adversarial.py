"""Adversarial feedback (AFA), an objective: a policy masks tokens, and a judge pays for the masks.

Liu (arXiv 2512.20661), Algorithm 1: for a mini-batch the attention row chooses M masks of every
sequence; the judge learns from them; as just updated it pays, through the masking environment,
log-confusion for each; and the Target descends the policy gradient on its attention.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from afa_ray.config import Settings
from afa_ray.data.parts import Part
from afa_ray.models.interface import TargetOutput
from afa_ray.models.precision import autocast
from afa_ray.models.updating import by_rows
from afa_ray.noise import uniform
from afa_ray.objectives.interface import Rollout
from afa_ray.objectives.judges import Judge
from afa_ray.objectives.losses import adversarial_loss, confident
from afa_ray.objectives.policy import Choice, log_prob, select, unit_scores
from envs import MaskingVectorEnv, group_advantage, squared_sum, whiten


class Play(NamedTuple):
    """What the policy chose in a part: (B, M, L) masks of what may be masked (B, L)."""

    maskable: Tensor
    choice: Choice
    masks: Tensor


class Paid(NamedTuple):
    """A part that was played, and what its masks earned: rewards (E6) and advantages (E7), (B, M)
    each; and the figures of the judge's own update."""

    play: Play
    rewards: Tensor
    advantages: Tensor
    figures: dict[str, Tensor]


class Adversarial:
    """The environment between the policy and its judge; see `AttentionObjective`.

    Args:
        settings: `afa`, `discriminator` and `train` are used here.
        judge: on `device`.
        special_ids: ids never masked; mask_id: of the tokenizer, or None.
        add_up: sums a tensor over workers, in place.
    """

    def __init__(
        self,
        settings: Settings,
        judge: Judge,
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
        self.judge, self.device, self.add_up = judge, device, add_up
        self.needs, self.players, self.optimizer = judge.needs, judge.players, judge.optimizer
        self.figures = ("loss_adv", *judge.figures, "reward_mean", "reward_spread")
        self.rollout: Rollout | None = None
        self._begun: Part | None = None
        self.env = MaskingVectorEnv(
            discriminator=judge.discriminator,
            k=self.afa.k,
            mask=self.afa.mask,
            special_ids=special_ids,
            pad_id=pad_id,
            mask_id=mask_id,
            device=device,
        )

    def prepare(
        self, parts: Sequence[Part], outputs: Sequence[TargetOutput], step: int
    ) -> list[Paid]:
        """Choose masks, let the judge learn, and have it pay for them, part by part."""
        both = zip(parts, outputs, strict=True)
        plays = [self._play(part, output, step) for part, output in both]
        figures = self.judge.learn(self._begin, parts, [play.masks[:, 0] for play in plays])
        rewards = [self._reward(part, play) for part, play in zip(parts, plays, strict=True)]
        advantages = [group_advantage(r) for r in rewards]
        if self.afa.whiten_advantage:
            squares = torch.stack([squared_sum(a) for a in advantages]).sum(0)
            self.add_up(squares)
            advantages = [whiten(a, squares) for a in advantages]
        return [Paid(*each) for each in zip(plays, rewards, advantages, figures, strict=True)]

    def loss(
        self, part: Part, prepared: Paid, output: TargetOutput
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """(E8) L_adv of a part's masks."""
        row = output.row.float()
        scores, eligible = _by_unit(row, prepared.play.maskable, self._units(part))
        choice, advantages = prepared.play.choice, prepared.advantages
        log_probs = log_prob(scores, eligible, choice, self.afa.epsilon, self.afa.policy)
        if self.afa.confidence:
            sure = confident(output.decision.float(), part.labels, self.afa.confidence)
            advantages = advantages * sure[:, None]
        loss = adversarial_loss(advantages, log_probs)
        self.rollout = Rollout(part.tokens, row.detach(), prepared.play.masks, prepared.rewards)
        return loss, prepared.figures | {
            "loss_adv": loss.detach(),
            "reward_mean": prepared.rewards.mean(),
            "reward_spread": prepared.rewards.std(-1, correction=0).mean(),
        }

    def _units(self, part: Part) -> Tensor | None:
        """(B, L) words of the tokens, where words are masked whole."""
        return part.units if self.afa.unit == "word" else None

    def _begin(self, part: Part) -> MaskingVectorEnv:
        """The environment, at the sequences of a part."""
        if self._begun is part:
            return self.env
        options = {"sequences": part.tokens}
        if self.contrast:
            options["condition"] = self.judge.condition(part)
        if (units := self._units(part)) is not None:
            options["units"] = units
        self.env.reset(options=options)
        self._begun = part
        return self.env

    def _play(self, part: Part, output: TargetOutput, step: int) -> Play:
        """(E3) What the policy chooses, of tokens or of words, and its masks over tokens."""
        row = output.row.float().detach()
        maskable = self._begin(part).maskable
        units = self._units(part)
        scores, eligible = _by_unit(row, maskable, units)
        noise = uniform(self.seed, step, part.examples, self.afa.num_masks, 1 + row.shape[1])
        choice = select(scores, eligible, noise, self.afa.k, self.afa.epsilon, self.afa.policy)
        masks = choice.masks
        if units is not None:
            masks = masks.gather(-1, units[:, None].expand_as(masks)) & maskable[:, None]
        return Play(maskable, choice, masks)

    def _reward(self, part: Part, play: Play) -> Tensor:
        """(E6) (B, M): what the masking environment pays."""
        network = self.judge.network
        cast = autocast(self.device, self.precision, network)
        with evaluating(network), cast, by_rows(network):
            _, rewards, *_ = self._begin(part).step(play.masks)
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
    """Attention and what may be masked, (B, L) each: of tokens, or of words where `units` are
    given."""
    return (row, maskable) if units is None else unit_scores(row, maskable, units)
