"""How spread out attention is, as a loss: no row is wanted, only evenness or its opposite.

H(a) = -sum a log a over real tokens, and H / log n of n tokens, from 0 to 1. Of a pretrained model
it is the entropy of the row that decides; EAR (Attanasio et al., Findings of ACL 2022) adds up
those of all tokens and layers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from afa_ray.data.parts import Part
from afa_ray.models.interface import TargetOutput
from afa_ray.objectives.attention_loss import mean_over
from afa_ray.objectives.interface import Rollout
from afa_ray.objectives.policy import attention_entropy
from afa_ray.objectives.supervised import last_row
from afa_ray.objectives.words import Words

OfEntropy = Callable[[Part, Tensor, Tensor], tuple[Tensor, Tensor]]
"""Of a part, its rows (B, L) and its real tokens (B, L): (B,) losses, and (B,) bool, which texts
have one."""


class Entropy:
    """A loss of the row's entropy, mean over the texts that have one; see `AttentionObjective`."""

    figures: tuple[str, ...] = ("loss_attention", "supervised")
    optimizer: torch.optim.Optimizer | None = None
    rollout: Rollout | None = None

    def __init__(
        self, measure: OfEntropy, pad_id: int, needs: frozenset[str] = frozenset()
    ) -> None:
        self.measure, self.pad_id, self.needs = measure, pad_id, needs
        self.players: Mapping[str, nn.Module] = {}

    def prepare(
        self, parts: Sequence[Part], outputs: Sequence[TargetOutput], step: int
    ) -> list[None]:
        return [None] * len(parts)

    def loss(
        self, part: Part, prepared: None, output: TargetOutput
    ) -> tuple[Tensor, dict[str, Tensor]]:
        present = part.tokens != self.pad_id
        return mean_over(*self.measure(part, last_row(part, output).float(), present))


def spread(part: Part, row: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """-H: attention is to be even (EAR)."""
    losses, there = sharpen(part, row, present)
    return -losses, there


def sharpen(part: Part, row: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """H: attention is to be on few tokens, as by the sparsity of Nguyen et al. (NLDB 2023)."""
    return attention_entropy(row), present.any(-1)


def towards(evenness: float) -> OfEntropy:
    """(H / log n - evenness)^2, with an evenness from 0 to 1 for all texts."""

    def measure(part: Part, row: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        return (normalised(row, present) - evenness).square(), present.sum(-1) > 1

    return measure


def towards_people(words: Words) -> OfEntropy:
    """(H(a) / log n - H(h) / log n)^2: as even as people's attention h (BertPlausibilityStudy)."""

    def measure(part: Part, row: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        assert part.human is not None
        people = part.human * words.maskable(part.tokens)
        total = people.sum(-1, keepdim=True)
        wanted = normalised(people / total.clamp_min(1e-30), present)
        return (normalised(row, present) - wanted).square(), total[:, 0] > 0

    return measure


def normalised(row: Tensor, present: Tensor) -> Tensor:
    """(B,) H / log n of rows that sum to 1; 0 of a single token."""
    most = present.sum(-1).clamp_min(2).log()
    return attention_entropy(row) / most
