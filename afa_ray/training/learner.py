"""One alternating update of Discriminator and Target: Algorithm 1 of Liu (arXiv 2512.20661).

For a mini-batch: the Target's attention row chooses M masks of every sequence; the Discriminator
learns to tell untouched sequences from masked ones; then, with the Discriminator as just updated,
the masking environment pays log-confusion for each mask, and the Target descends its
classification loss plus lambda times the policy gradient on its attention.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from afa_ray.config import Settings, decided
from afa_ray.data.batches import Batch
from afa_ray.losses import target_loss
from afa_ray.models import AnyTarget, Discriminator, TargetJudge
from afa_ray.models.target import TargetOutput
from afa_ray.policy import attention_entropy
from afa_ray.training.discriminator_feedback import DiscriminatorFeedback
from afa_ray.training.feedback import Feedback, Paid
from afa_ray.training.optimisation import (
    adam,
    by_rows,
    learning_rate_factor,
    set_learning_rate,
    synchronising,
    trainable,
)
from afa_ray.training.parts import Part, Wrap, autocast, parts_of, wrapped

PLAIN_METRICS = ("loss", "loss_cls", "accuracy", "attention_entropy")
REWARD_METRICS = ("reward_mean", "reward_spread")


class Rollout(NamedTuple):
    """What one mini-batch played: tokens (B, L), row (B, L), masks (B, M, L), rewards (B, M)."""

    tokens: Tensor
    row: Tensor
    masks: Tensor
    rewards: Tensor


class Learner:
    """Target and its optimiser, with the feedback on its attention.

    Args:
        settings: `afa`, `discriminator` and `train` are used here.
        target, discriminator: on `device`. Without a `discriminator` the Target is its own judge;
            or, where `afa.lambda_adv` is 0, there is no feedback: plain training.
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
        self.train, self.lambda_adv = settings.train, settings.afa.lambda_adv
        self.device, self.rank, self.total_steps = device, rank, total_steps
        self.pad_id = pad_id
        self.target, self._wrapped_target = target, wrapped(target, wrap)
        self.target_optimizer = adam(target, decided(self.train.target_lr))
        options: dict[str, Any] = {
            "special_ids": special_ids,
            "pad_id": pad_id,
            "mask_id": mask_id,
            "device": device,
            "add_up": add_up,
        }
        self.feedback: Feedback | None = None
        if discriminator is not None:
            self.feedback = DiscriminatorFeedback(settings, discriminator, wrap=wrap, **options)
        elif self.lambda_adv:
            self.feedback = Feedback(settings, TargetJudge(target), **options)
        of_feedback = ("loss_adv", *self.feedback.figures, *REWARD_METRICS) if self.feedback else ()
        self.metrics = (*PLAIN_METRICS, *of_feedback)
        self.sums = torch.zeros(len(self.metrics) + 2, device=device, dtype=torch.float64)
        self.rollout: Rollout | None = None

    @property
    def batch_size(self) -> int:
        return decided(self.train.batch_size)

    @property
    def discriminator(self) -> Discriminator | None:
        return self.feedback.discriminator if self.feedback else None

    @property
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        both: dict[str, torch.optim.Optimizer] = {"target": self.target_optimizer}
        if self.feedback and self.feedback.optimizer:
            both["discriminator"] = self.feedback.optimizer
        return both

    def update(self, batch: Batch, step: int) -> None:
        """One Discriminator update, then one Target update; the figures are added to `sums`.

        In several parts, the Target reads every part twice: for the masks that the Discriminator
        learns from, and, once that has learned from all of them, for its own gradient.
        """
        self._set_learning_rates(step)
        parts = parts_of(batch, self.train.accumulation_steps, self.device)
        output = self._read(parts[0], step) if len(parts) == 1 else None

        def row(part: Part) -> Tensor:
            found = (output or self._read(part, step, choosing=True)).attention_row
            assert found is not None
            return found

        paid = self.feedback.play(parts, row, step) if self.feedback else [None] * len(parts)
        self.target_optimizer.zero_grad(set_to_none=True)
        for part, what in zip(parts, paid, strict=True):
            with synchronising(self._wrapped_target, part is parts[-1]):
                self._descend(part, what, output or self._read(part, step))
        if self.train.max_grad_norm:
            self.target_optimizer.spread()
            nn.utils.clip_grad_norm_(trainable(self.target), self.train.max_grad_norm)
        self.target_optimizer.step()

    def _set_learning_rates(self, step: int) -> None:
        train = self.train
        warmup = decided(train.warmup_steps)
        factor = learning_rate_factor(step, self.total_steps, train.schedule, warmup)
        rates = {"target": decided(train.target_lr), "discriminator": train.discriminator_lr}
        for player, optimizer in self.optimizers.items():
            set_learning_rate(optimizer, rates[player] * factor)

    def _read(self, part: Part, step: int, *, choosing: bool = False) -> TargetOutput:
        """The Target's output with dropout, which is the same whenever a part is read again."""
        noise = (self.train.seed, step, self.rank, *([part.number] if part.number else []))
        torch.manual_seed(hash(noise) % 2**63)
        self.target.train()
        module = self.target if choosing else self._wrapped_target
        cast = autocast(self.device, self.train.precision, self.target)
        with cast, torch.set_grad_enabled(not choosing), by_rows(self.target):
            return module(part.tokens, attention_mask=part.tokens != self.pad_id)

    def _descend(self, part: Part, paid: Paid | None, output: TargetOutput) -> None:
        """(E8) The Target's gradient on a part, and the part's figures."""
        assert output.logits is not None
        assert output.attention_row is not None
        logits, row = output.logits.float(), output.attention_row.float()
        adversarial = torch.zeros((), device=self.device)
        figures: dict[str, Tensor] = {}
        if self.feedback and paid:
            adversarial = self.feedback.loss(part, paid, row, logits)
            figures = paid.play.figures | {
                "loss_adv": adversarial.detach(),
                "reward_mean": paid.rewards.mean(),
                "reward_spread": paid.rewards.std(-1, correction=0).mean(),
            }
            self.rollout = Rollout(part.tokens, row.detach(), paid.play.masks, paid.rewards)
        loss = target_loss(logits, part.labels, adversarial, self.lambda_adv)
        (loss * part.weight).backward()
        with torch.no_grad():
            figures |= {
                "loss": loss,
                "loss_cls": F.cross_entropy(logits, part.labels),
                "accuracy": (logits.argmax(-1) == part.labels).float().mean(),
                "attention_entropy": attention_entropy(row).mean(),
            }
            self._count(figures, len(part.tokens), (part.tokens != self.pad_id).sum())

    def _count(self, figures: dict[str, Tensor], texts: int, tokens: Tensor) -> None:
        means = torch.stack([figures[name].double() for name in self.metrics])
        self.sums[:-2] += means * texts
        self.sums[-2] += texts
        self.sums[-1] += tokens


def averages(sums: Tensor, names: tuple[str, ...]) -> tuple[dict[str, float], int]:
    """Means per text of `Learner.sums` (added up over workers), and the number of real tokens."""
    *totals, texts, tokens = sums.tolist()
    means = {f"train/{n}": t / max(texts, 1) for n, t in zip(names, totals, strict=True)}
    return means, int(tokens)
