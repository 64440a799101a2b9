"""Supervised attention, an objective: attention is to be like a row that comes from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from afa_ray.data.parts import Part
from afa_ray.models.interface import TargetOutput
from afa_ray.objectives.attention_loss import LossKind, by_text, mean_over
from afa_ray.objectives.interface import Rollout
from afa_ray.objectives.wanted import Wanted

Row = Callable[[Part, TargetOutput], Tensor]
"""(B, L) attention of a part's texts."""


class Supervised:
    """`attention_loss` between the Target's row and the one that is wanted; see
    `AttentionObjective`.

    Args:
        wanted: the row, for a part; kind: how far attention is from it.
        pad_id: of the tokenizer; needs: what `wanted` needs of batches.
        row: the attention that is supervised; by default the Target's row.
    """

    figures: tuple[str, ...] = ("loss_attention", "supervised")
    optimizer: torch.optim.Optimizer | None = None
    rollout: Rollout | None = None

    def __init__(
        self,
        wanted: Wanted,
        kind: LossKind,
        pad_id: int,
        needs: frozenset[str] = frozenset(),
        row: Row | None = None,
    ) -> None:
        self.wanted, self.kind, self.pad_id, self.needs = wanted, kind, pad_id, needs
        self.row = row or last_row
        self.players: Mapping[str, nn.Module] = {}

    def prepare(
        self, parts: Sequence[Part], outputs: Sequence[TargetOutput], step: int
    ) -> list[Tensor]:
        """The rows that are wanted, (B, L) each."""
        return [self.wanted(part) for part in parts]

    def loss(
        self, part: Part, prepared: Tensor, output: TargetOutput
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over the texts that have something wanted."""
        return of_row(self.row(part, output), prepared, part.tokens != self.pad_id, self.kind)


def last_row(part: Part, output: TargetOutput) -> Tensor:
    """(B, L): the row that the Target decides by."""
    return output.row


def of_row(
    row: Tensor, wanted: Tensor, present: Tensor, kind: LossKind
) -> tuple[Tensor, dict[str, Tensor]]:
    """`attention_loss` and the figures of supervised attention, see `Supervised`."""
    return mean_over(*by_text(row, wanted, present, kind))
