"""What every classifier here can do: embed its inputs, and decide by an attention of choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from transformers.modeling_outputs import SequenceClassifierOutput


class Inputs(NamedTuple):
    """A batch as models read it.

    Attributes:
        tokens: (B, L) int64, padded; present: (B, L) bool, true at real tokens.
        query: (B, Q) int64, padded: what each text is read for; None where there is nothing.
        special: (B, L) bool, tokens that are no part of the text; None where nobody knows, and the
            model's configuration is asked. Models do not read it.
    """

    tokens: Tensor
    present: Tensor
    query: Tensor | None = None
    special: Tensor | None = None


def reading_for(query: Tensor | None) -> dict[str, Tensor]:
    """What a model's forward pass is given beside the text: the query, where there is one."""
    return {} if query is None else {"query": query}


@dataclass
class TargetOutput(SequenceClassifierOutput):
    """`loss`, `logits` (B, C), and the attention row (B, L) of E1: the mean over heads.

    `attentions` is a tuple with the last layer's rows by head, (B, H, L), where asked for;
    `first_row`, (B, L), the first layer's row, where the Target `shows_first`; `label_rows`,
    (B, C, L), those of its label queries, where it has any.
    """

    attention_row: Tensor | None = None
    first_row: Tensor | None = None
    label_rows: Tensor | None = None

    @property
    def decision(self) -> Tensor:
        """`logits`, which a forward pass of an AttentionModel always has."""
        assert self.logits is not None
        return self.logits

    @property
    def row(self) -> Tensor:
        """`attention_row`, likewise."""
        assert self.attention_row is not None
        return self.attention_row


class AttentionModel(Protocol):
    """A sequence classifier whose decision passes through one attention row (E1).

    `decide(embed(inputs), inputs)` is its prediction. Between the two, gradients enter and
    embeddings may be changed; and where a row is given, it takes the place of the model's own, in
    every head, so that one can ask whether another attention would have decided alike.
    """

    @property
    def config(self) -> Any: ...

    @property
    def evaluation_batch(self) -> int: ...

    @property
    def device(self) -> torch.device: ...

    def embed(self, inputs: Inputs) -> Tensor:
        """(B, L, E): the word embeddings of the tokens, without their positions."""
        ...

    def decide(
        self, embedded: Tensor, inputs: Inputs, attention: Tensor | None = None
    ) -> TargetOutput:
        """Logits (B, C) and attention row (B, L).

        Args:
            embedded: (B, L, E), what stands at the tokens instead of their embeddings.
            attention: (B, L), a row to attend by: not negative, 0 at padding. The row that comes
                back is this one then.
        """
        ...

    def gated(self, inputs: Inputs, gates: Tensor) -> Tensor:
        """(B, C) logits, where what the decision's position attends with is multiplied by (B, L)
        gates, in every head."""
        ...
