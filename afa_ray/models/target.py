"""The single-layer Target: a sequence classifier that returns its attention row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PretrainedConfig
from transformers.modeling_outputs import SequenceClassifierOutput

from afa_ray.models.player import Player
from afa_ray.models.sequences import Sequences
from afa_ray.models.single_query import (
    attend,
    make_layer,
    padding_mask,
    transform,
)


class TargetConfig(PretrainedConfig):
    """Sizes of a `Target`; `max_position_embeddings` counts `[SOS]` and `[EOS]` too.

    `hops`: how often `[EOS]` reads the text, by a layer of its own each time.
    """

    model_type = "afa-target"

    def __init__(
        self,
        vocab_size: int = 20_000,
        hidden_size: int = 512,
        num_attention_heads: int = 4,
        dropout: float = 0.3,
        hops: int = 1,
        max_position_embeddings: int = 512,
        pad_token_id: int = 0,
        bos_token_id: int = 2,
        eos_token_id: int = 3,
        initializer_range: float = 0.02,
        **kwargs: Any,
    ) -> None:
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_attention_heads = num_attention_heads
        self.dropout = dropout
        self.hops = hops
        self.max_position_embeddings = max_position_embeddings
        self.initializer_range = initializer_range
        self.pad_token_id = pad_token_id
        self.bos_token_id = bos_token_id
        self.eos_token_id = eos_token_id
        super().__init__(**kwargs)


@dataclass
class TargetOutput(SequenceClassifierOutput):
    """`loss`, `logits` (B, C), and the attention row (B, L) of E1: the mean over heads.

    `attentions` is a tuple with the one layer's rows by head, (B, H, L), where asked for.
    """

    attention_row: Tensor | None = None


class Target(Player):
    """One Transformer block in the absorbed single-query form, read at the last real token.

    `[SOS] word … [EOS]`: word plus learned position embeddings, one post-norm layer (4 heads, 512,
    feed-forward 2,048), and a linear classifier on the output at `[EOS]` (E2). With further hops
    that output is the query of another layer over the same inputs, and so on; attention row and
    output are those of the last one.
    """

    config: TargetConfig
    evaluation_batch = 256  # texts
    single_query = True  # it reads one position of a text

    def make_parts(self) -> None:
        config = self.config
        assert config.num_labels is not None
        self.words = nn.Embedding(config.vocab_size, config.hidden_size)
        self.positions = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        sizes = (config.hidden_size, config.num_attention_heads, config.dropout)
        self.layer = make_layer(*sizes)
        self.further = nn.ModuleList(make_layer(*sizes) for _ in range(config.hops - 1))
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)

    @property
    def layers(self) -> list[nn.TransformerEncoderLayer]:
        """One a hop."""
        return [self.layer, *self.further]

    @property
    def device(self) -> torch.device:
        return self.words.weight.device

    def get_input_embeddings(self) -> nn.Embedding:
        return self.words

    def set_input_embeddings(self, value: nn.Module) -> None:
        assert isinstance(value, nn.Embedding)
        self.words = value

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
        **_: object,
    ) -> TargetOutput | tuple:
        """Classify right-padded sequences.

        Args:
            input_ids: (B, L) int64. Longer ones than `max_position_embeddings` are read as the
                tokenizer would truncate them: the first tokens and the last one, `[EOS]`.
            attention_mask: (B, L), 1 at real tokens; by default all that is not padding.
            labels: (B,) int64, for the cross-entropy `loss`.
            output_attentions: also return each head's row.

        Raises:
            ValueError: padding on the left (checked outside training).
        """
        if attention_mask is None:
            attention_mask = input_ids != self.config.pad_token_id
        if not self.training and (attention_mask[:, 1:] > attention_mask[:, :-1]).any():
            raise ValueError("padding on the left: pad on the right (tokenizer.padding_side)")
        lengths = attention_mask.sum(-1).clamp_min(1)
        longest = self.config.max_position_embeddings
        input_ids, lengths = truncate(input_ids, lengths, longest)
        kept = ~padding_mask(lengths, input_ids.shape[1])[:, None]
        logits, rows = self._classify(input_ids, kept)
        rows = rows[:, 0]  # of the one copy
        output = TargetOutput(
            loss=None if labels is None else F.cross_entropy(logits, labels),
            logits=logits,
            attentions=(rows,) if output_attentions else None,
            attention_row=rows.mean(1),
        )
        return output.to_tuple() if return_dict is False else output

    def copies(self, input_ids: Tensor, deleted: Tensor) -> Tensor:
        """(N, V, C) logits of V copies of each sequence, at less than the cost of reading them.

        Args:
            input_ids: (N, L) int64, right-padded, L at most `max_position_embeddings`.
            deleted: (N, V, L) bool, what each copy lacks; `[EOS]` always stays.
        """
        kept = (input_ids != self.config.pad_token_id)[:, None] & ~deleted
        logits, _ = self._classify(input_ids, kept, moved=True)
        return logits.view(*kept.shape[:2], -1)

    def _classify(
        self, input_ids: Tensor, kept: Tensor, moved: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Logits (B V, C), and the last hop's rows (B, V, H, L), of copies with (B, V, L) kept."""
        words, positions = self.words(input_ids), self.positions.weight
        sequences = Sequences(input_ids, words, kept, positions, moved, alike=self.words.sparse)
        hidden: Tensor | None = None
        for layer in self.layers:
            attended, rows = attend(layer, sequences, hidden)
            hidden = transform(layer, attended)
        return self.classifier(self.dropout(hidden)), rows


def truncate(tokens: Tensor, lengths: Tensor, max_length: int) -> tuple[Tensor, Tensor]:
    """Sequences of at most `max_length` tokens: too long ones keep their last token, `[EOS]`."""
    if tokens.shape[1] <= max_length:
        return tokens, lengths
    last = tokens.gather(1, lengths[:, None] - 1)
    kept = tokens[:, :max_length].clone()
    kept[:, -1:] = torch.where(lengths[:, None] >= max_length, last, kept[:, -1:])
    return kept, lengths.clamp_max(max_length)
