"""A reading head in place of the last layer's row: one query, of [CLS]'s final state, over the
words' embeddings as the first layer reads them. What it gathers is added to [CLS] before the
classifier, or takes its place: then nothing but these words, by this attention, decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from afa_ray.data.corpus import Corpus
from afa_ray.models.attention_row import Given
from afa_ray.models.pretrained import PretrainedTarget
from afa_ray.objectives.interface import Weighed


class ReadingHead(nn.Module):
    """(B, L, d) embeddings and (B, d) state -> (B, d); keeps the `row` (B, L).

    Args:
        alone: whether what was gathered takes the state's place.
    """

    def __init__(self, size: int, alone: bool) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(size, size) for _ in range(3))
        self.norm, self.alone = nn.LayerNorm(size), alone
        for part in (self.query, self.key):
            nn.init.normal_(part.weight, std=size**-0.5)
        nn.init.eye_(self.value.weight)
        self.row = torch.zeros(0)

    def forward(self, embedded: Tensor, state: Tensor, mask: Tensor) -> Tensor:
        scores = (self.key(embedded) @ self.query(state)[..., None])[..., 0]
        scores = scores * state.shape[-1] ** -0.5
        self.row = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(-1)
        found = self.norm((self.row[:, None] @ self.value(embedded))[:, 0])
        return found if self.alone else state + found


class HeadTarget(PretrainedTarget):
    """A BERT whose row is that of its reading head."""

    def _run(
        self, inputs: dict[str, Any], position: Tensor, row: Given | None
    ) -> tuple[Tensor, Tensor]:
        mask = inputs["attention_mask"].bool().clone()
        mask[:, 0] = mask.sum(1) == 1  # not [CLS] itself, but where there is nothing else
        head, base = self.model.reading_head, self.model.base_model
        kept: list[Tensor] = []

        def keep(module: nn.Module, given: Any, embedded: Tensor) -> None:
            kept[:] = [embedded]

        def read(module: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            states = given[0]
            return (torch.cat([head(kept[0], states[:, 0], mask)[:, None], states[:, 1:]], 1),)

        with (
            base.embeddings.register_forward_hook(keep),
            base.pooler.register_forward_pre_hook(read),
        ):
            logits, _ = super()._run(inputs, position, None)
        return logits, head.row[:, None]


def with_head(*, alone: bool) -> Callable[[Any], Any]:
    """Gives a Target a reading head."""

    def make(target: Any) -> Any:
        torch.manual_seed(0)
        target.model.reading_head = ReadingHead(target.config.hidden_size, alone)
        target.__class__ = HeadTarget
        return target

    return make


def head_beside(*, alone: bool) -> Callable[[Any, Corpus], list[Weighed]]:
    """No objective: the Target gets its head before its optimiser is made."""

    def further(target: Any, corpus: Corpus) -> list[Weighed]:
        with_head(alone=alone)(target)
        return []

    return further
