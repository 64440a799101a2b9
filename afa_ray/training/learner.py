"""One update of the Target, and of what is trained beside it.

For a mini-batch each objective prepares: it sees the Target's attention, and may let a player of
its own learn from that. Then the Target descends its classification loss plus the weighed losses of
the objectives. With adversarial feedback this is the alternation of Algorithm 1 of Liu (arXiv
2512.20661): one Discriminator update, one Target update.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from afa_ray.config import Settings, decided
from afa_ray.data.batches import Batch
from afa_ray.data.parts import Part, parts_of
from afa_ray.models import AnyTarget, Discriminator
from afa_ray.models.interface import TargetOutput, reading_for
from afa_ray.models.precision import autocast
from afa_ray.models.updating import Wrap, adam, by_rows, synchronising, trainable, wrapped
from afa_ray.noise import seed_generators, stream
from afa_ray.objectives.build import build_objectives
from afa_ray.objectives.interface import Reads, Rollout, Weighed
from afa_ray.objectives.losses import target_loss
from afa_ray.objectives.policy import attention_entropy
from afa_ray.training.optimisation import learning_rate_factor, set_learning_rate

PLAIN_METRICS = ("loss", "loss_cls", "accuracy", "attention_entropy")


class Learner:
    """Target and its optimiser, with the objectives on its attention.

    Args:
        settings: `train` is used here.
        target: on `device`.
        objectives: by default none: plain training.
        pad_id: of the tokenizer.
        total_steps: updates of the whole run, for `train.schedule`.
        wrap: applied to the Target for its update (DistributedDataParallel); by default none.
        rank: this worker's number, for its dropout noise.

    Raises:
        ValueError: two figures, or two players, of the same name.
    """

    def __init__(
        self,
        settings: Settings,
        target: AnyTarget,
        objectives: Sequence[Weighed] = (),
        *,
        pad_id: int,
        device: torch.device,
        total_steps: int,
        wrap: Wrap = lambda module: module,
        rank: int = 0,
    ) -> None:
        self.options = settings.train
        self.device, self.rank, self.total_steps = device, rank, total_steps
        self.pad_id, self.objectives = pad_id, objectives
        self.target, self._wrapped_target = target, wrapped(target, wrap)
        self.target_optimizer = adam(target, decided(self.options.target_lr))
        of_objectives = [name for each, _ in objectives for name in each.figures]
        self.metrics = (*PLAIN_METRICS, *of_objectives)
        _require_distinct("figures", self.metrics)
        _require_distinct("players", ["target", *(n for o, _ in objectives for n in o.players)])
        self.sums = torch.zeros(len(self.metrics) + 2, device=device, dtype=torch.float64)

    @property
    def batch_size(self) -> int:
        return decided(self.options.batch_size)

    @property
    def needs(self) -> frozenset[str]:
        """What the objectives need of a batch."""
        return frozenset().union(*(each.needs for each, _ in self.objectives))

    @property
    def players(self) -> dict[str, nn.Module]:
        """All that is trained, by name."""
        others = {name: p for each, _ in self.objectives for name, p in each.players.items()}
        return {"target": self.target, **others}

    @property
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Each player's."""
        others = {
            name: each.optimizer
            for each, _ in self.objectives
            if each.optimizer is not None
            for name in each.players
        }
        return {"target": self.target_optimizer, **others}

    @property
    def rollout(self) -> Rollout | None:
        """What was played last."""
        found = (each.rollout for each, _ in self.objectives)
        return next((rollout for rollout in found if rollout is not None), None)

    def update(self, batch: Batch, step: int) -> None:
        """Have the objectives prepare, then update the Target; the figures are added to `sums`.

        In several parts, the Target reads every part twice: for what the objectives prepare, and,
        once they have seen all of them, for its own gradient.
        """
        self._set_learning_rates(step)
        parts = parts_of(batch, self.options.accumulation_steps, self.device)
        again = len(parts) > 1
        outputs = []
        if self.objectives or not again:
            outputs = [self._forward(part, step, choosing=again) for part in parts]
        prepared = [each.prepare(parts, outputs, step) for each, _ in self.objectives]
        self.target_optimizer.zero_grad(set_to_none=True)
        for number, part in enumerate(parts):
            with synchronising(self._wrapped_target, part is parts[-1]):
                output = self._forward(part, step) if again else outputs[number]
                self._descend(part, [of_parts[number] for of_parts in prepared], output)
        if self.options.max_grad_norm:
            self.target_optimizer.spread()
            nn.utils.clip_grad_norm_(trainable(self.target), self.options.max_grad_norm)
        self.target_optimizer.step()

    def _set_learning_rates(self, step: int) -> None:
        warmup = decided(self.options.warmup_steps)
        factor = learning_rate_factor(step, self.total_steps, self.options.schedule, warmup)
        for optimizer in self.optimizers.values():
            set_learning_rate(optimizer, optimizer.defaults["lr"] * factor)

    def _forward(self, part: Part, step: int, *, choosing: bool = False) -> TargetOutput:
        """The Target's output with dropout, which is the same whenever a part is read again."""
        drawn = stream(self.options.seed, step, self.rank, part.number)
        seed_generators(self.device, drawn)
        self.target.train()
        module = self.target if choosing else self._wrapped_target
        cast = autocast(self.device, self.options.precision, self.target)
        with ExitStack() as stack, cast, torch.set_grad_enabled(not choosing), by_rows(self.target):
            for objective, _ in self.objectives:
                if isinstance(objective, Reads):
                    stack.enter_context(objective.reading(part))
            present = part.tokens != self.pad_id
            return module(part.tokens, attention_mask=present, **reading_for(part.query))

    def _descend(self, part: Part, prepared: Sequence[Any], output: TargetOutput) -> None:
        """(E8) The Target's gradient on a part, and the part's figures."""
        logits, row = output.decision.float(), output.row.float()
        figures: dict[str, Tensor] = {}
        losses = []
        for (objective, weight), what in zip(self.objectives, prepared, strict=True):
            loss, of_objective = objective.loss(part, what, output)
            losses.append((weight, loss))
            figures |= of_objective
        loss = target_loss(logits, part.labels, losses)
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


def build_learner(
    settings: Settings,
    target: AnyTarget,
    discriminator: Discriminator | AnyTarget | None,
    *,
    pad_id: int,
    device: torch.device,
    total_steps: int,
    wrap: Wrap = lambda module: module,
    rank: int = 0,
    further: Sequence[Weighed] = (),
    **others: Any,
) -> Learner:
    """A learner with the objectives that the settings ask for, and `further` ones.

    See there, and `build_objectives` for what `others` may be: `special_ids`, `mask_id`, `add_up`.
    """
    both: dict[str, Any] = {"pad_id": pad_id, "device": device, "wrap": wrap}
    objectives = build_objectives(settings, target, discriminator, **both, **others)
    objectives += further
    return Learner(settings, target, objectives, total_steps=total_steps, rank=rank, **both)


def _require_distinct(what: str, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"objectives: {what} named {', '.join(twice)} twice; give each its own name"
        )


def averages(sums: Tensor, names: tuple[str, ...]) -> tuple[dict[str, float], int]:
    """Means per text of `Learner.sums` (added up over workers), and the number of real tokens."""
    *totals, texts, tokens = sums.tolist()
    means = {f"train/{n}": t / max(texts, 1) for n, t in zip(names, totals, strict=True)}
    return means, int(tokens)
