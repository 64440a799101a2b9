"""What the classifiers from scratch share: word embeddings, and how a forward pass is entered."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from afa_ray.models.interface import Inputs, TargetOutput
from afa_ray.models.player import Player
from afa_ray.models.single_query import padding_mask


class OwnTarget(Player):
    """A sequence classifier of this project's own, an `AttentionModel`: `Target` and
    `EncodedTarget` say how it attends."""

    config: Any
    words: nn.Embedding
    classifier: nn.Linear
    evaluation_batch = 256  # texts
    single_query = True  # it decides by one attention row

    @property
    def device(self) -> torch.device:
        return self.words.weight.device

    def get_input_embeddings(self) -> nn.Embedding:
        return self.words

    def set_input_embeddings(self, value: nn.Module) -> None:
        assert isinstance(value, nn.Embedding)
        self.words = value

    def embed(self, inputs: Inputs) -> Tensor:
        """(B, L, E): see `AttentionModel`."""
        return self.words(inputs.tokens)

    def decide(
        self, embedded: Tensor, inputs: Inputs, attention: Tensor | None = None
    ) -> TargetOutput:
        """See `AttentionModel`. The row may be given by head, (B, H, L)."""
        raise NotImplementedError

    def gated(self, inputs: Inputs, gates: Tensor) -> Tensor:
        """(B, C) logits: see `AttentionModel`."""
        raise NotImplementedError

    def enter(
        self, input_ids: Tensor | None, inputs_embeds: Tensor | None, attention_mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """What a forward pass reads: (B, L, E) word embeddings, and the (B,) lengths of texts.

        Raises:
            ValueError: both kinds of inputs or none, or padding on the left (checked outside
                training and export).
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give input_ids or inputs_embeds: one of them, not both")
        words = self.words(input_ids) if inputs_embeds is None else inputs_embeds
        if attention_mask is None and input_ids is not None:
            attention_mask = input_ids != self.config.pad_token_id
        return words, lengths_of(words, attention_mask, check=not self.training)


def asked(given: bool | None, default: bool | None) -> bool:
    return bool(default if given is None else given)


def lengths_of(words: Tensor, attention_mask: Tensor | None, check: bool) -> Tensor:
    """(B,) real tokens of each right-padded sequence, at least 1."""
    if attention_mask is None:
        return torch.full(words.shape[:1], words.shape[1], device=words.device)
    check = check and not torch.compiler.is_exporting()  # a graph is the same for all inputs
    if check and (attention_mask[:, 1:] > attention_mask[:, :-1]).any():
        raise ValueError("padding on the left: pad on the right (tokenizer.padding_side)")
    return attention_mask.sum(-1).clamp_min(1)


def real_tokens(inputs: Inputs) -> Tensor:
    """(B, L) bool, true at the real tokens of right-padded sequences."""
    lengths = lengths_of(inputs.tokens, inputs.present, check=False)
    return ~padding_mask(lengths, inputs.tokens.shape[1])
