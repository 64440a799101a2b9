"""Classifiers whose attention weighs an encoder's states: LSTM, CNN, or each word by itself."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PretrainedConfig
from transformers import initialization as init

from afa_ray.models.encoders import ENCODERS
from afa_ray.models.interface import Inputs, TargetOutput
from afa_ray.models.own_target import OwnTarget, asked, real_tokens
from afa_ray.models.scorers import SCORERS
from afa_ray.models.single_query import padding_mask

IMPOSSIBLE = -1e4  # as good as minus infinity, whose sums are none: its exponential is 0


class EncodedConfig(PretrainedConfig):
    """Sizes of an `EncodedTarget`.

    `encoder`: lstm, cnn or average; `scorer`: additive or dot; `hidden_size`: of an LSTM in one
    direction, else of a state. `query`: whether each text is read for something; `candidates`:
    whether that is a question whose answer is one of the candidates that follow it, class c as the
    id vocab_size + c.
    """

    model_type = "afa-encoded"

    def __init__(
        self,
        vocab_size: int = 20_000,
        encoder: str = "lstm",
        scorer: str = "additive",
        embedding_size: int = 300,
        hidden_size: int = 128,
        query: bool = False,
        candidates: bool = False,
        pad_token_id: int = 0,
        bos_token_id: int = 2,
        eos_token_id: int = 3,
        initializer_range: float = 0.1,
        **kwargs: Any,
    ) -> None:
        self.vocab_size = vocab_size
        self.encoder = encoder
        self.scorer = scorer
        self.embedding_size = embedding_size
        self.hidden_size = hidden_size
        self.query = query
        self.candidates = candidates
        self.initializer_range = initializer_range
        self.pad_token_id = pad_token_id
        self.bos_token_id = bos_token_id
        self.eos_token_id = eos_token_id
        super().__init__(**kwargs)


class Encoded(NamedTuple):
    """What attention weighs: states (B, L, H); query: its summary (B, H) where there is one; seen:
    (B, L) bool, the tokens that attention may look at; possible: (B, C) bool, the classes that may
    be decided for, where not all of them are."""

    states: Tensor
    query: Tensor | None
    seen: Tensor
    possible: Tensor | None = None


class EncodedTarget(OwnTarget):
    """Embeddings, encoder, attention, and a linear classifier of the context c = sum_t a_t h_t.

    Jain and Wallace, "Attention is not Explanation", NAACL 2019. Attention is 0 at padding and at
    the first and the last token, `[SOS]` and `[EOS]`, unless there is nothing else. Of what a text
    is read for a second encoder, of the same word embeddings, makes q, and the classifier reads
    tanh(W c + W' q). A class that is no candidate has the logit IMPOSSIBLE. Simplified: two
    classes have two logits, not one with a sigmoid.
    """

    config: EncodedConfig

    def make_parts(self) -> None:
        config = self.config
        assert config.num_labels is not None
        self.words = nn.Embedding(config.vocab_size, config.embedding_size)
        sizes = (config.embedding_size, config.hidden_size)
        self.encoder = ENCODERS[config.encoder](*sizes)
        size = self.encoder.states
        self.scorer = SCORERS[config.scorer](size, config.query)
        if config.query:
            self.query_encoder = ENCODERS[config.encoder](*sizes)
            self.context = nn.Linear(size, size // 2)
            self.for_query = nn.Linear(size, size // 2, bias=False)
        self.classifier = nn.Linear(size // 2 if config.query else size, config.num_labels)

    def _init_weights(self, module: nn.Module) -> None:
        """All but the words start as PyTorch makes them."""
        if isinstance(module, nn.Embedding):
            init.normal_(module.weight, std=self.config.initializer_range)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
        inputs_embeds: Tensor | None = None,
        query: Tensor | None = None,
        **_: object,
    ) -> TargetOutput | tuple:
        """Classify right-padded sequences of any length.

        Args:
            input_ids: (B, L) int64.
            attention_mask: (B, L), 1 at real tokens; by default all that is not padding.
            labels: (B,) int64, for the cross-entropy `loss`.
            output_attentions: also return the row as that of the only head.
            inputs_embeds: (B, L, E) word embeddings instead of `input_ids`.
            query: (B, Q) int64, right-padded: what each text is read for, where `config.query`, and
                its candidates, where `config.candidates`.

        Raises:
            ValueError: padding on the left (checked outside training and export), or no query.
        """
        words, lengths = self.enter(input_ids, inputs_embeds, attention_mask)
        encoded = self.encode(words, ~padding_mask(lengths, words.shape[1]), query)
        row = self.attend(encoded)
        logits = self.by_rows(encoded, row[:, None])[:, 0]
        by_head = asked(output_attentions, self.config.output_attentions)
        output = TargetOutput(
            loss=None if labels is None else F.cross_entropy(logits, labels),
            logits=logits,
            attentions=(row[:, None],) if by_head else None,
            attention_row=row,
        )
        return output if asked(return_dict, self.config.return_dict) else output.to_tuple()

    def decide(
        self, embedded: Tensor, inputs: Inputs, attention: Tensor | None = None
    ) -> TargetOutput:
        """See `AttentionModel`. The row may be given as that of the only head, (B, 1, L)."""
        encoded = self.encode(embedded, real_tokens(inputs), inputs.query)
        row = self.attend(encoded) if attention is None else attention
        row = row[:, 0] if row.dim() == 3 else row
        return TargetOutput(logits=self.by_rows(encoded, row[:, None])[:, 0], attention_row=row)

    def gated(self, inputs: Inputs, gates: Tensor) -> Tensor:
        """(B, C) logits, attention multiplied by (B, L) gates."""
        encoded = self.encode(self.embed(inputs), real_tokens(inputs), inputs.query)
        return self.by_rows(encoded, (self.attend(encoded) * gates)[:, None])[:, 0]

    def encode(self, embedded: Tensor, present: Tensor, query: Tensor | None) -> Encoded:
        """What attention weighs, of (B, L, E) embeddings.

        Args:
            present: (B, L) bool; query: (B, Q) int64 where `config.query`, else None.
        """
        states, _ = self.encoder(embedded, present)
        asked_for = possible = None
        if self.config.query:
            if query is None:
                raise ValueError("query: this model reads each text for something; give its tokens")
            if self.config.candidates:
                query, possible = self._candidates(query)
            given = query != self.config.pad_token_id
            _, asked_for = self.query_encoder(self.words(query), given)
        return Encoded(states, asked_for, between(present), possible)

    def _candidates(self, query: Tensor) -> tuple[Tensor, Tensor]:
        """The (B, Q) question alone, and (B, C) bool: its candidates, or all classes."""
        beyond = query - self.config.vocab_size
        classes = torch.arange(self.classifier.out_features, device=query.device)
        possible = (beyond[..., None] == classes).any(1)
        question = query.masked_fill(beyond >= 0, self.config.pad_token_id)
        return question, possible | ~possible.any(-1, keepdim=True)

    def attend(self, encoded: Encoded) -> Tensor:
        """(B, L) float: the model's own row."""
        scores = self.scorer(encoded.states, encoded.query)
        scores = scores.masked_fill(~encoded.seen, torch.finfo(scores.dtype).min)
        return scores.softmax(-1) * encoded.seen

    def by_rows(self, encoded: Encoded, rows: Tensor) -> Tensor:
        """(B, K, C) logits by each of the rows (B, K, L)."""
        context = rows.to(encoded.states.dtype) @ encoded.states
        if encoded.query is not None:
            context = (self.context(context) + self.for_query(encoded.query)[:, None]).tanh()
        logits = self.classifier(context)
        if encoded.possible is None:
            return logits
        return logits.masked_fill(~encoded.possible[:, None], IMPOSSIBLE)


def between(present: Tensor) -> Tensor:
    """(B, L) bool: real tokens but the first and the last one of a text; all of it where that
    leaves none."""
    count = present.cumsum(-1)
    inner = present & (count > 1) & (count < count[:, -1:])
    return inner.where(inner.any(-1, keepdim=True), present)
