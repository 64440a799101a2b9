"""The judges that pay for masks: a Discriminator that learns from them first, or the Target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from afa_ray.config import Settings, decided
from afa_ray.data.parts import Part
from afa_ray.models import AnyTarget, Discriminator, TargetJudge
from afa_ray.models.precision import autocast
from afa_ray.models.updating import RowAdam, Wrap, adam, by_rows, synchronising, wrapped
from afa_ray.objectives.interface import Participant
from afa_ray.objectives.losses import discriminator_loss
from envs import MaskingVectorEnv

Begin = Callable[[Part], MaskingVectorEnv]
"""Puts the sequences of a part into the environment."""


class Judge(Participant, Protocol):
    """What pays for masks: `discriminator` for the environment, computed by the `network`.

    Its own update is `learn`.
    """

    @property
    def discriminator(self) -> Any: ...
    @property
    def network(self) -> nn.Module: ...

    def condition(self, part: Part) -> Tensor:
        """(B, …) what it is told of each sequence in pairing contrast: the class at least."""
        ...

    def learn(
        self, begin: Begin, parts: Sequence[Part], shown: Sequence[Tensor]
    ) -> list[dict[str, Tensor]]:
        """Learn from one mask (B, L) of each sequence; figures of each part."""
        ...


class TargetAsJudge:
    """The Target judges its own masks, and has nothing more to learn for that."""

    def __init__(self, target: AnyTarget) -> None:
        self.needs: frozenset[str] = frozenset()
        self.figures: tuple[str, ...] = ()
        self.players: dict[str, nn.Module] = {}
        self.optimizer = None
        self.discriminator, self.network = TargetJudge(target), target

    def condition(self, part: Part) -> Tensor:
        """The class, with what the text is read for."""
        if part.query is None:
            return part.labels
        return torch.cat([part.labels[:, None], part.query], 1)

    def learn(
        self, begin: Begin, parts: Sequence[Part], shown: Sequence[Tensor]
    ) -> list[dict[str, Tensor]]:
        return [{} for _ in parts]


class AverageAsJudge(TargetAsJudge):
    """A moving average of the Target's weights judges: w <- w + (1 - DECAY) (w_Target - w) before
    each update.

    Args:
        average: a Target that begins with the same weights.
    """

    DECAY = 0.99

    def __init__(self, target: AnyTarget, average: AnyTarget) -> None:
        super().__init__(average)
        self.own, self.players = target, {"discriminator": average}

    @torch.no_grad()
    def learn(
        self, begin: Begin, parts: Sequence[Part], shown: Sequence[Tensor]
    ) -> list[dict[str, Tensor]]:
        for kept, new in zip(self.network.parameters(), self.own.parameters(), strict=True):
            if new.requires_grad:
                kept.lerp_(new, 1 - self.DECAY)
        return super().learn(begin, parts, shown)


class TrainedJudge:
    """A Discriminator, or a second Target as one, with an optimiser of its own.

    Its update uses the first of the M masks of a sequence: a simplification of Algorithm 1 of Liu
    (arXiv 2512.20661).

    Args:
        settings: `discriminator` and `train` are used here; network: on its device.
        wrap: applied to it for its update (DistributedDataParallel).
    """

    figures: tuple[str, ...] = ("loss_d", "d_accuracy")

    def __init__(
        self, settings: Settings, network: Discriminator | AnyTarget, pad_id: int, wrap: Wrap
    ) -> None:
        self.contrast = settings.discriminator.pairing == "contrast"
        self.needs = frozenset({"partners"} if self.contrast else ())
        self.players = {"discriminator": network}
        self.network = network
        self.precision, self.pad_id = settings.train.precision, pad_id
        self._wrapped = wrapped(network, wrap)
        self.discriminator: Any = network
        self._verdict: Any = self._wrapped
        rate = settings.train.discriminator_lr
        if settings.discriminator.judge == "twin":
            twin = cast("AnyTarget", network)
            self.discriminator = TargetJudge(twin)
            self._verdict = TargetJudge(twin, self._wrapped)
            rate = decided(settings.train.target_lr)
        self.optimizer: RowAdam = adam(network, rate)

    def condition(self, part: Part) -> Tensor:
        """The class; it reads texts alone."""
        return part.labels

    def learn(
        self, begin: Begin, parts: Sequence[Part], shown: Sequence[Tensor]
    ) -> list[dict[str, Tensor]]:
        """(E5) One step on a mask of each sequence."""
        self.optimizer.zero_grad(set_to_none=True)
        figures = []
        for part, mask in zip(parts, shown, strict=True):
            with synchronising(self._wrapped, part is parts[-1]):
                figures.append(self._descend(begin(part), part, mask))
        self.optimizer.step()
        return figures

    def _descend(self, env: MaskingVectorEnv, part: Part, mask: Tensor) -> dict[str, Tensor]:
        """The Discriminator's gradient on a part: (B, L) masked tokens against untouched ones."""
        self.network.train()
        with autocast(mask.device, self.precision, self.network), by_rows(self.network):
            untouched_logits, masked_logits = self._verdicts(env, part, mask)
            loss = discriminator_loss(untouched_logits.float(), masked_logits.float())
        (loss * part.weight).backward()
        right = (untouched_logits > 0).float() + (masked_logits <= 0).float()
        return {"loss_d": loss.detach(), "d_accuracy": right.mean() / 2}

    def _verdicts(self, env: MaskingVectorEnv, part: Part, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B,) logits of untouched sequences, and of the masked ones."""
        if part.partners is None and env.shares_copies:
            deleted = torch.stack([torch.zeros_like(mask), mask], 1)
            untouched_logits, masked_logits = self._verdict(part.tokens, deleted=deleted).unbind(1)
            return untouched_logits, masked_logits
        untouched = part.tokens if part.partners is None else part.partners
        both = stack_padded(untouched, env.masked(mask), self.pad_id)
        condition = (part.labels.repeat(2),) if self.contrast else ()
        untouched_logits, masked_logits = self._verdict(both, *condition).chunk(2)
        return untouched_logits, masked_logits


def stack_padded(first: Tensor, second: Tensor, pad_id: int) -> Tensor:
    """One (2 B, L) batch of two, each padded to the longer."""
    length = max(first.shape[1], second.shape[1])
    return torch.cat([F.pad(x, (0, length - x.shape[1]), value=pad_id) for x in (first, second)])
