"""The single-layer Target: a sequence classifier that returns its attention row."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PretrainedConfig

from afa_ray.models.interface import Inputs, TargetOutput
from afa_ray.models.own_target import OwnTarget, asked, real_tokens
from afa_ray.models.sequences import Sequences
from afa_ray.models.single_query import (
    Attended,
    attend,
    make_layer,
    padding_mask,
    read_everywhere,
    transform,
)
from afa_ray.models.told import Told
from afa_ray.models.too_long import columns_read, put_back, take


class TargetConfig(PretrainedConfig):
    """Sizes of a `Target`; `max_position_embeddings` counts `[SOS]` and `[EOS]` too.

    `hops`: how often `[EOS]` reads the text, by a layer of its own each time. `label_queries`: the
    last time once for each class, by a query of its own.
    """

    model_type = "afa-target"

    def __init__(
        self,
        vocab_size: int = 20_000,
        hidden_size: int = 512,
        num_attention_heads: int = 4,
        dropout: float = 0.3,
        hops: int = 1,
        label_queries: bool = False,
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
        self.label_queries = label_queries
        self.max_position_embeddings = max_position_embeddings
        self.initializer_range = initializer_range
        self.pad_token_id = pad_token_id
        self.bos_token_id = bos_token_id
        self.eos_token_id = eos_token_id
        super().__init__(**kwargs)


class Target(OwnTarget):
    """One Transformer block in the absorbed single-query form, read at the last real token.

    `[SOS] word … [EOS]`: word plus learned position embeddings, one post-norm layer (4 heads, 512,
    feed-forward 2,048), and a linear classifier on the output at `[EOS]` (E2). With further hops
    that output is the query of another layer over the same inputs, and so on; attention row and
    output are those of the last one. With label queries the last hop reads once for each class c,
    by the query q + u_c with u learned, zero at first; what it gathers and its attention row are
    the means over these readings, so that the decision rests on that row.
    """

    config: TargetConfig
    told: Told | None = None  # what people attend to, while it learns from that
    shows_first = False  # whether outputs hold the first hop's row, too

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
        queries = torch.zeros(config.num_labels, config.hidden_size)
        self.label_queries = nn.Parameter(queries) if config.label_queries else None

    @property
    def layers(self) -> list[nn.TransformerEncoderLayer]:
        """One a hop."""
        return [self.layer, *self.further]

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        inputs_embeds: Tensor | None = None,
        **_: object,
    ) -> TargetOutput | tuple:
        """Classify right-padded sequences.

        Args:
            input_ids: (B, L) int64. Longer ones than `max_position_embeddings` are read as the
                tokenizer would truncate them: the first tokens and the last one, `[EOS]`. What
                is returned by token is 0 at those that are not read.
            attention_mask: (B, L), 1 at real tokens; by default all that is not padding.
            labels: (B,) int64, for the cross-entropy `loss`.
            output_attentions: also return each head's row.
            output_hidden_states: also return (B, L, d) inputs, and (B, L, d) outputs of each hop
                at all positions, which takes the full layers. `[EOS]` alone is classified.
            inputs_embeds: (B, L, d) word embeddings instead of `input_ids`.

        Raises:
            ValueError: padding on the left (checked outside training and export).
        """
        words, lengths = self.enter(input_ids, inputs_embeds, attention_mask)
        length, longest = words.shape[1], self.config.max_position_embeddings
        columns = columns_read(lengths, longest) if length > longest else None
        if columns is not None:
            words, lengths = take(words, columns), lengths.clamp_max(longest)
            input_ids = None if input_ids is None else take(input_ids, columns)
        kept = ~padding_mask(lengths, words.shape[1])[:, None]
        logits, rows = self._classify(input_ids, words, kept)
        rows = put_back(rows[:, 0].transpose(1, 2), columns, length).transpose(1, 2)
        states: tuple[Tensor, ...] | None = None
        if asked(output_hidden_states, self.config.output_hidden_states):
            read = self._hidden_states(words, kept[:, 0])
            states = tuple(put_back(x, columns, length) for x in read)
        by_head = asked(output_attentions, self.config.output_attentions)
        output = TargetOutput(
            loss=None if labels is None else F.cross_entropy(logits, labels),
            logits=logits,
            hidden_states=states,
            attentions=(rows,) if by_head else None,
            attention_row=rows.mean(1),
        )
        if self.shows_first:
            output.first_row = self._first
        if self.label_queries is not None:
            output.label_rows = self._label_rows
        return output if asked(return_dict, self.config.return_dict) else output.to_tuple()

    def decide(
        self, embedded: Tensor, inputs: Inputs, attention: Tensor | None = None
    ) -> TargetOutput:
        """See `AttentionModel`; L is at most `max_position_embeddings`. With two hops the row that
        is given is that of the second. It may be given by head, (B, H, L)."""
        given = None
        if attention is not None:
            by_head = attention if attention.dim() == 3 else attention[:, None]
            given = by_head[:, None].expand(-1, -1, self.config.num_attention_heads, -1)
        logits, rows = self._classify(None, embedded, real_tokens(inputs)[:, None], given=given)
        return TargetOutput(logits=logits, attention_row=rows[:, 0].mean(1))

    def by_rows(self, embedded: Tensor, inputs: Inputs, rows: Tensor) -> Tensor:
        """(B, K, C) logits by each of the rows (B, K, L), as `decide` takes one."""
        kept = real_tokens(inputs)[:, None].expand_as(rows)
        given = rows[:, :, None].expand(-1, -1, self.config.num_attention_heads, -1)
        return self._classify(None, embedded, kept, given=given)[0].view(*rows.shape[:2], -1)

    def gated(self, inputs: Inputs, gates: Tensor) -> Tensor:
        """(B, C) logits, every hop's attention multiplied by (B, L) gates."""
        kept = real_tokens(inputs)[:, None]
        return self._classify(None, self.embed(inputs), kept, gates=gates)[0]

    def copies(self, input_ids: Tensor, deleted: Tensor) -> Tensor:
        """(N, V, C) logits of V copies of each sequence, at less than the cost of reading them.

        Args:
            input_ids: (N, L) int64, right-padded, L at most `max_position_embeddings`.
            deleted: (N, V, L) bool, what each copy lacks; `[EOS]` always stays.
        """
        kept = (input_ids != self.config.pad_token_id)[:, None] & ~deleted
        logits, _ = self._classify(input_ids, self.words(input_ids), kept, moved=True)
        return logits.view(*kept.shape[:2], -1)

    def _classify(
        self,
        input_ids: Tensor | None,
        words: Tensor,
        kept: Tensor,
        moved: bool = False,
        given: Tensor | None = None,
        gates: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Logits (B V, C), and the last hop's rows (B, V, H, L), of copies with (B, V, L) kept.

        Args:
            input_ids: (B, L), None where `words`, (B, L, d), are not theirs.
            given: (B, V, H, L) rows for the last hop.
            gates: (B, L), what every hop's rows are multiplied by.
        """
        alike = self.words.sparse and input_ids is not None
        queries = None if given is not None else self.label_queries
        positions = self.positions.weight
        sequences = Sequences(input_ids, words, kept, positions, moved, alike=alike)
        hidden: Tensor | None = None
        for layer in self.layers:
            own, added = (given, queries) if layer is self.layers[-1] else (None, None)
            attended, rows = attend(layer, sequences, hidden, own, added)
            if layer is self.layer and self.shows_first:
                self._first = rows[:, 0].mean(1)
            if added is not None:
                by_label = rows.unflatten(2, (len(added), -1))  # (B, V, C, H, L)
                self._label_rows, rows = by_label[:, 0].mean(2), by_label.mean(2)
            if gates is not None:
                attended, _ = attend(layer, sequences, hidden, rows * gates[:, None, None])
            if self.told is not None:
                attended = self._tell(layer, sequences, attended, rows, self.told)
            hidden = transform(layer, attended)
        return self.classifier(self.dropout(hidden)), rows

    def _tell(
        self,
        layer: nn.TransformerEncoderLayer,
        sequences: Sequences,
        attended: Attended,
        rows: Tensor,
        told: Told,
    ) -> Attended:
        """What a layer's last positions gather where people say what to attend to."""
        if layer is not (self.layer if told.instead else self.layers[-1]):
            return attended
        weights = told.weights[:, None, None]
        if told.instead:
            own = ~told.there[:, None, None, None]
            found = sequences.gather_by(rows.where(own, weights.expand_as(rows)), 0.0)
        else:
            found = sequences.gather_by(weights, 0.0)
        context, mass = (x.flatten(0, 1) for x in found[1:])
        if not told.instead:
            context, mass = told.add(attended.context, context), told.add(attended.mass, mass)
        return Attended(attended.last, context, mass)

    def _hidden_states(self, words: Tensor, kept: Tensor) -> list[Tensor]:
        """(B, L, d) each: the inputs, and each hop's output at all positions, of (B, L) kept."""
        inputs = words + self.positions.weight[: words.shape[1]]
        states = [inputs]
        for layer in self.layers:
            states.append(read_everywhere(layer, states[-1], inputs, ~kept))
        return states
