"""What shapes the Target's attention beside the class: one interface for AFA and for others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from afa_ray.data.parts import Part
from afa_ray.models.interface import TargetOutput


class Rollout(NamedTuple):
    """What one mini-batch played: tokens (B, L), row (B, L), masks (B, M, L), rewards (B, M)."""

    tokens: Tensor
    row: Tensor
    masks: Tensor
    rewards: Tensor


class Participant(Protocol):
    """What takes part in an update beside the Target: an objective, or the judge of one.

    Attributes:
        needs: what it wants of batches beside tokens and labels: `partners`, `marks`, `human`.
        figures: names of what it logs, means over texts.
        players: the modules that it trains itself, by name; saved with the run.
        optimizer: theirs; None where there are none.
    """

    @property
    def needs(self) -> frozenset[str]: ...
    @property
    def figures(self) -> tuple[str, ...]: ...
    @property
    def players(self) -> Mapping[str, nn.Module]: ...
    @property
    def optimizer(self) -> torch.optim.Optimizer | None: ...


class AttentionObjective(Participant, Protocol):
    """One more loss of the Target, by its attention row.

    In each update `prepare` is called once, before the Target's gradient, and then `loss` for each
    part. Their order is that of the parts, on every worker.

    Attributes:
        rollout: the last part as it was played, for `samples.jsonl`; None where nothing is.
    """

    @property
    def rollout(self) -> Rollout | None: ...

    def prepare(
        self, parts: Sequence[Part], outputs: Sequence[TargetOutput], step: int
    ) -> Sequence[Any]:
        """What is played or learned before the Target's update: something for each part.

        Args:
            outputs: the Target's of each part, in training mode; no gradient is to flow into them.
        """
        ...

    def loss(
        self, part: Part, prepared: Any, output: TargetOutput
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Its loss, a scalar with gradient in the output's row and logits, and its figures."""
        ...


@runtime_checkable
class Reads(Protocol):
    """An objective that changes how the Target reads a part while it learns from it."""

    def reading(self, part: Part) -> AbstractContextManager[None]:
        """Within, the Target reads the part."""
        ...


class Weighed(NamedTuple):
    """An objective and the factor of its loss in the Target's, >= 0."""

    objective: AttentionObjective
    weight: float
