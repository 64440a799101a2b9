"""Human attention in training (HuMAL: Chriqui, Yahav, Te'eni, Abbasi, arXiv 2502.06811).

h is how much people attend to each token of a text: marks of all annotators added up, copied from
words to their pieces and then made to sum to 1. Texts without marks train on their class alone.

- AL: cross-entropy + alpha (1 - cos(h, a)). The paper prints + alpha cos(h, a), which would drive
  attention away from people's; its tables and figures say the opposite.
- AN: alpha times what h gathers is added to what the last layer gathers, while training. The paper
  uses human attention in training only; so it is absent at test.
- AP: as AL at the first of several layers; or h in place of that layer's attention.

No code of theirs was found; where the paper leaves choices open they are ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from afa_ray.data.parts import Part
from afa_ray.models.interface import TargetOutput
from afa_ray.models.told import Told, telling
from afa_ray.objectives.interface import Rollout
from afa_ray.objectives.supervised import Row
from afa_ray.objectives.words import Words


def human(part: Part) -> Tensor:
    """(B, L) how much people attend to each token."""
    assert part.human is not None
    return part.human


def first_row(part: Part, output: TargetOutput) -> Tensor:
    """(B, L): the first layer's attention."""
    assert output.first_row is not None
    return output.first_row


def on_words(row: Row, words: Words) -> Row:
    """Attention on the words of the texts alone, as it is: it need not sum to 1."""

    def of_words(part: Part, output: TargetOutput) -> Tensor:
        return row(part, output) * words.maskable(part.tokens)

    return of_words


class AsTold:
    """The Target reads what people attend to while it learns (AN, and AP by replacement); there is
    no loss of its own. See `AttentionObjective` and `Reads`.

    Args:
        target: one that can be told, as `Target` and pretrained ones can.
    """

    figures: tuple[str, ...] = ("supervised",)
    needs = frozenset({"human"})
    optimizer: torch.optim.Optimizer | None = None
    rollout: Rollout | None = None

    def __init__(
        self, target: Any, words: Words, *, instead: bool, factor: float = 1.0, evenly: bool = False
    ) -> None:
        self.target, self.words = target, words
        self.instead, self.factor, self.evenly = instead, factor, evenly
        self.players: Mapping[str, nn.Module] = {}

    def reading(self, part: Part) -> AbstractContextManager[None]:
        weights = human(part) * self.words.maskable(part.tokens)
        weights = weights / weights.sum(-1, keepdim=True).clamp_min(1e-30)
        return telling(self.target, Told(weights, self.instead, self.factor, self.evenly))

    def prepare(
        self, parts: Sequence[Part], outputs: Sequence[TargetOutput], step: int
    ) -> list[None]:
        return [None] * len(parts)

    def loss(
        self, part: Part, prepared: None, output: TargetOutput
    ) -> tuple[Tensor, dict[str, Tensor]]:
        there = (human(part) > 0).any(-1).float().mean()
        return torch.zeros((), device=there.device), {"supervised": there}
