"""One alternating update of Discriminator and Target: Algorithm 1 of Liu (arXiv 2512.20661).

For a mini-batch: the Target's attention row chooses M masks of every sequence; the Discriminator
learns to tell untouched sequences from masked ones; then, with the Discriminator as just updated,
the masking environment pays log-confusion for each mask, and the Target descends its
classification loss plus lambda times the policy gradient on its attention.

Simplified against the paper: the Discriminator's update uses the first of the M masks, or with
`discriminator.masks` random one of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from afa_ray.config import Settings
from afa_ray.data.batches import Batch
from afa_ray.losses import adversarial_loss, confident, discriminator_loss, target_loss
from afa_ray.models import AnyTarget, Discriminator
from afa_ray.models.target import TargetOutput
from afa_ray.noise import uniform
from afa_ray.policy import Choice, attention_entropy, log_prob, select, unit_scores
from afa_ray.training.optimisation import (
    adam,
    by_rows,
    learning_rate_factor,
    set_learning_rate,
    synchronising,
    trainable,
)
from envs import MaskingVectorEnv, group_advantage, squared_sum, whiten

PLAIN_METRICS = ("loss", "loss_cls", "accuracy", "attention_entropy")
AFA_METRICS = (
    *PLAIN_METRICS,
    "loss_adv",
    "loss_d",
    "d_accuracy",
    "reward_mean",
    "reward_spread",
)

Wrap = Callable[[nn.Module], nn.Module]


class Rollout(NamedTuple):
    """What one mini-batch played: tokens (B, L), row (B, L), masks (B, M, L), rewards (B, M)."""

    tokens: Tensor
    row: Tensor
    masks: Tensor
    rewards: Tensor


class Part(NamedTuple):
    """A batch, or the part of one that fits into memory, on the device; see `Batch`."""

    number: int
    tokens: Tensor
    labels: Tensor
    examples: Tensor
    partners: Tensor | None
    units: Tensor | None
    weight: float


class Play(NamedTuple):
    """What the policy chose in a part, (B, M, L) masks of what may be masked (B, L), and the
    figures of the Discriminator's update."""

    maskable: Tensor
    choice: Choice
    masks: Tensor
    figures: dict[str, Tensor]


class Earned(NamedTuple):
    """What the masks of a part earned: rewards (E6) and advantages (E7), (B, M) each."""

    rewards: Tensor
    advantages: Tensor


class Learner:
    """Target, Discriminator, their optimisers and the environment between them.

    Args:
        settings: `afa`, `discriminator.pairing` and `train` are used here.
        target, discriminator: on `device`; `discriminator` is None for plain training.
        special_ids: ids never masked; pad_id and mask_id: of the tokenizer (mask_id may be None).
        total_steps: updates of the whole run, for `train.schedule`.
        wrap: applied to each module for its own update (DistributedDataParallel); by default none.
        rank: this worker's number, for its dropout noise.
        add_up: sums a tensor over workers, in place; by default there is one.
    """

    def __init__(
        self,
        settings: Settings,
        target: AnyTarget,
        discriminator: Discriminator | None,
        *,
        special_ids: tuple[int, ...],
        pad_id: int,
        mask_id: int | None,
        device: torch.device,
        total_steps: int,
        wrap: Wrap = lambda module: module,
        rank: int = 0,
        add_up: Callable[[Tensor], object] = lambda tensor: tensor,
    ) -> None:
        self.afa, self.train = settings.afa, settings.train
        self.contrast = settings.discriminator.pairing == "contrast"
        self.shows_random = settings.discriminator.masks == "random"
        self.add_up = add_up
        self.device, self.rank, self.total_steps = device, rank, total_steps
        self.pad_id = pad_id
        self.target, self._wrapped_target = target, _wrapped(target, wrap)
        self.target_optimizer = adam(target, self.train.target_lr)
        self.discriminator = discriminator
        if discriminator is not None:
            self._wrapped_discriminator = _wrapped(discriminator, wrap)
            self.discriminator_optimizer = adam(discriminator, self.train.discriminator_lr)
            self.env = MaskingVectorEnv(
                discriminator=discriminator,
                k=self.afa.k,
                mask=self.afa.mask,
                special_ids=special_ids,
                pad_id=pad_id,
                mask_id=mask_id,
                device=device,
            )
        self.metrics = PLAIN_METRICS if discriminator is None else AFA_METRICS
        self.sums = torch.zeros(len(self.metrics) + 2, device=device, dtype=torch.float64)
        self.rollout: Rollout | None = None

    @property
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        both: dict[str, torch.optim.Optimizer] = {"target": self.target_optimizer}
        if self.discriminator is not None:
            both["discriminator"] = self.discriminator_optimizer
        return both

    def update(self, batch: Batch, step: int) -> None:
        """One Discriminator update, then one Target update; the figures are added to `sums`.

        In several parts, the Target reads every part twice: for the masks that the Discriminator
        learns from, and, once that has learned from all of them, for its own gradient.
        """
        self._set_learning_rates(step)
        parts = [self._part(n, b) for n, b in enumerate(batch.parts(self.train.accumulation_steps))]
        output = self._read(parts[0], step) if len(parts) == 1 else None
        plays = self._update_discriminator(parts, output, step)
        earned = self._earn(parts, plays)
        self.target_optimizer.zero_grad(set_to_none=True)
        for part, play, paid in zip(parts, plays, earned, strict=True):
            with synchronising(self._wrapped_target, part is parts[-1]):
                self._descend(part, play, paid, output or self._read(part, step))
        if self.train.max_grad_norm:
            self.target_optimizer.spread()
            nn.utils.clip_grad_norm_(trainable(self.target), self.train.max_grad_norm)
        self.target_optimizer.step()

    def _set_learning_rates(self, step: int) -> None:
        train = self.train
        factor = learning_rate_factor(step, self.total_steps, train.schedule, train.warmup_steps)
        set_learning_rate(self.target_optimizer, train.target_lr * factor)
        if self.discriminator is not None:
            set_learning_rate(self.discriminator_optimizer, train.discriminator_lr * factor)

    def _part(self, number: int, batch: Batch) -> Part:
        def send(array: np.ndarray) -> Tensor:
            return torch.from_numpy(array).to(self.device, non_blocking=True)

        return Part(
            number,
            send(batch.tokens),
            send(batch.labels),
            send(batch.examples),
            None if batch.partners is None else send(batch.partners),
            None if batch.units is None else send(batch.units),
            batch.weight,
        )

    def _read(self, part: Part, step: int, *, choosing: bool = False) -> TargetOutput:
        """The Target's output with dropout, which is the same whenever a part is read again."""
        noise = (self.train.seed, step, self.rank, *([part.number] if part.number else []))
        torch.manual_seed(hash(noise) % 2**63)
        self.target.train()
        module = self.target if choosing else self._wrapped_target
        with self._autocast(), torch.set_grad_enabled(not choosing), by_rows(self.target):
            return module(part.tokens, attention_mask=part.tokens != self.pad_id)

    def _update_discriminator(
        self, parts: list[Part], output: TargetOutput | None, step: int
    ) -> list[Play | None]:
        """(E5) One step on a mask of each sequence; what the policy played, part by part."""
        if self.discriminator is None:
            return [None] * len(parts)
        self.discriminator_optimizer.zero_grad(set_to_none=True)
        plays: list[Play | None] = []
        for part in parts:
            row = (output or self._read(part, step, choosing=True)).attention_row
            assert row is not None
            maskable = self.env.game.maskable(part.tokens)
            samples = self.afa.num_masks
            noise = uniform(
                self.train.seed, step, part.examples, samples + self.shows_random, 1 + row.shape[1]
            )
            row, epsilon = row.detach().float(), self.afa.epsilon
            choice, masks = self._choose(row, maskable, part.units, noise[:, :samples], epsilon)
            shown = masks
            if self.shows_random:
                _, shown = self._choose(row, maskable, part.units, noise[:, samples:], epsilon=1.0)
            with synchronising(self._wrapped_discriminator, part is parts[-1]):
                figures = self._judge(part, shown[:, 0])
            plays.append(Play(maskable, choice, masks, figures))
        self.discriminator_optimizer.step()
        return plays

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
        assert self.discriminator is not None
        self.discriminator.train()
        with self._autocast(), by_rows(self.discriminator):
            untouched_logits, masked_logits = self._verdicts(part, mask)
            loss = discriminator_loss(untouched_logits.float(), masked_logits.float())
        (loss * part.weight).backward()
        right = (untouched_logits > 0).float() + (masked_logits <= 0).float()
        return {"loss_d": loss.detach(), "d_accuracy": right.mean() / 2}

    def _verdicts(self, part: Part, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B,) logits of untouched sequences, and of the masked ones."""
        judge, game = self._wrapped_discriminator, self.env.game
        if part.partners is None and game.shares_copies:
            deleted = torch.stack([torch.zeros_like(mask), mask], 1)
            untouched_logits, masked_logits = judge(part.tokens, deleted=deleted).unbind(1)
            return untouched_logits, masked_logits
        untouched = part.tokens if part.partners is None else part.partners
        both = stack_padded(untouched, game.mask_out(part.tokens, mask), self.pad_id)
        condition = (part.labels.repeat(2),) if self.contrast else ()
        untouched_logits, masked_logits = judge(both, *condition).chunk(2)
        return untouched_logits, masked_logits

    def _earn(self, parts: list[Part], plays: list[Play | None]) -> list[Earned | None]:
        """(E6, E7) What the updated Discriminator pays for the masks, part by part."""
        if self.discriminator is None:
            return [None] * len(parts)
        rewards = [self._reward(*both) for both in zip(parts, plays, strict=True)]
        advantages = [group_advantage(r, self.afa.normalize_advantage) for r in rewards]
        if self.afa.whiten_advantage:
            squares = torch.stack([squared_sum(a) for a in advantages]).sum(0)
            self.add_up(squares)
            advantages = [whiten(a, squares) for a in advantages]
        return [Earned(*both) for both in zip(rewards, advantages, strict=True)]

    def _descend(
        self, part: Part, play: Play | None, earned: Earned | None, output: TargetOutput
    ) -> None:
        """(E8) The Target's gradient on a part, and the part's figures."""
        assert output.logits is not None
        assert output.attention_row is not None
        logits, row = output.logits.float(), output.attention_row.float()
        adversarial = torch.zeros((), device=self.device)
        figures: dict[str, Tensor] = {}
        if play is not None:
            assert earned is not None
            adversarial = self._adversarial(part, play, earned, row, logits)
            figures = play.figures | {
                "loss_adv": adversarial.detach(),
                "reward_mean": earned.rewards.mean(),
                "reward_spread": earned.rewards.std(-1, correction=0).mean(),
            }
            self.rollout = Rollout(part.tokens, row.detach(), play.masks, earned.rewards)
        loss = target_loss(logits, part.labels, adversarial, self.afa.lambda_adv)
        (loss * part.weight).backward()
        with torch.no_grad():
            figures |= {
                "loss": loss,
                "loss_cls": F.cross_entropy(logits, part.labels),
                "accuracy": (logits.argmax(-1) == part.labels).float().mean(),
                "attention_entropy": attention_entropy(row).mean(),
            }
            self._count(figures, len(part.tokens), (part.tokens != self.pad_id).sum())

    def _reward(self, part: Part, play: Play | None) -> Tensor:
        """(E6) (B, M): what the masking environment pays."""
        assert play is not None
        options = {"sequences": part.tokens}
        if self.contrast:
            options["condition"] = part.labels
        if part.units is not None:
            options["units"] = part.units
        self.env.reset(options=options)
        assert self.discriminator is not None
        self.discriminator.eval()
        with self._autocast(), by_rows(self.discriminator):
            _, rewards, *_ = self.env.step(play.masks)
        return rewards

    def _adversarial(
        self, part: Part, play: Play, earned: Earned, row: Tensor, logits: Tensor
    ) -> Tensor:
        """(E8) L_adv of the masks, with gradient in `row`."""
        scores, eligible = _by_unit(row, play.maskable, part.units)
        log_probs = log_prob(scores, eligible, play.choice, self.afa.epsilon, self.afa.policy)
        advantages = earned.advantages
        if self.afa.confidence:
            sure = confident(logits, part.labels, self.afa.confidence)
            advantages = advantages * sure[:, None]
        return adversarial_loss(advantages, log_probs)

    def _autocast(self) -> torch.autocast:
        bf16 = self.device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.autocast(self.device.type, torch.bfloat16, enabled=bf16)

    def _count(self, figures: dict[str, Tensor], texts: int, tokens: Tensor) -> None:
        means = torch.stack([figures[name].double() for name in self.metrics])
        self.sums[:-2] += means * texts
        self.sums[-2] += texts
        self.sums[-1] += tokens


def _wrapped(module: nn.Module, wrap: Wrap) -> nn.Module:
    with by_rows(module):  # what averages gradients has to know beforehand which ones are sparse
        return wrap(module)


def averages(sums: Tensor, names: tuple[str, ...]) -> tuple[dict[str, float], int]:
    """Means per text of `Learner.sums` (added up over workers), and the number of real tokens."""
    *totals, texts, tokens = sums.tolist()
    means = {f"train/{n}": t / max(texts, 1) for n, t in zip(names, totals, strict=True)}
    return means, int(tokens)


def stack_padded(first: Tensor, second: Tensor, pad_id: int) -> Tensor:
    """One (2 B, L) batch of two, each padded to the longer."""
    length = max(first.shape[1], second.shape[1])
    return torch.cat([F.pad(x, (0, length - x.shape[1]), value=pad_id) for x in (first, second)])


def _by_unit(row: Tensor, maskable: Tensor, units: Tensor | None) -> tuple[Tensor, Tensor]:
    return (row, maskable) if units is None else unit_scores(row, maskable, units)
