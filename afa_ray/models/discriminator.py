"""The Discriminator: one Transformer block that judges whether a sequence is untouched."""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PretrainedConfig

from afa_ray.models.player import Player
from afa_ray.models.sequences import Sequences
from afa_ray.models.single_query import Attended, attend, make_layer, transform

Readout = Literal["last", "mean"]


class DiscriminatorConfig(PretrainedConfig):
    """Sizes of a `Discriminator`.

    `num_classes` is the number of classes it is conditioned on (pairing `contrast`), or 0 for none
    (pairing `original`). `readout`: `last` reads the last real token in the absorbed form, `mean`
    runs the full layer and averages over the real tokens. `embedding_size`: 0 for word embeddings
    of its own, else the width of a pretrained Target's, which it then reads frozen and projected:
    its cost does not grow with their number.
    """

    model_type = "afa-discriminator"

    def __init__(
        self,
        vocab_size: int = 20_000,
        hidden_size: int = 512,
        num_attention_heads: int = 4,
        dropout: float = 0.3,
        max_position_embeddings: int = 512,
        readout: Readout = "last",
        num_classes: int = 0,
        embedding_size: int = 0,
        pad_token_id: int = 0,
        initializer_range: float = 0.02,
        **kwargs: Any,
    ) -> None:
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_attention_heads = num_attention_heads
        self.dropout = dropout
        self.max_position_embeddings = max_position_embeddings
        self.readout = readout
        self.num_classes = num_classes
        self.embedding_size = embedding_size
        self.initializer_range = initializer_range
        self.pad_token_id = pad_token_id
        super().__init__(**kwargs)


class Discriminator(Player):
    """sigmoid(logit) = D(X), the probability that X is untouched (E5, E6).

    The paper's text once calls D the probability of masking; its Algorithm 1, its loss and its idea
    of confusion only agree with "untouched", and Algorithm 1 is followed here.

    One that reads a Target's embeddings is saved without them: give them back with `embed_with`.
    """

    config: DiscriminatorConfig

    def make_parts(self) -> None:
        config = self.config
        if config.embedding_size:
            self.project = nn.Linear(config.embedding_size, config.hidden_size, bias=False)
        else:
            self.words = nn.Embedding(config.vocab_size, config.hidden_size)
        self._frozen: Tensor | None = None  # no buffer: neither saved nor sent between workers
        self.positions = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        if config.num_classes:
            self.classes = nn.Embedding(config.num_classes, config.hidden_size)
        self.layer = make_layer(config.hidden_size, config.num_attention_heads, config.dropout)
        self.judge = nn.Linear(config.hidden_size, 1)

    def embed_with(self, words: Tensor) -> None:
        """Read these word embeddings, (V, embedding_size), which are never trained here."""
        assert words.shape[1] == self.config.embedding_size
        self._frozen = words.detach()

    @property
    def frozen_bytes(self) -> int:
        """Memory of the embeddings that are read, which are not among the parameters."""
        return 0 if self._frozen is None else self._frozen.numel() * self._frozen.element_size()

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Move to another device or type, with the embeddings that are read."""
        if self._frozen is not None:
            self._frozen = fn(self._frozen)
        return super()._apply(fn, recurse)

    @property
    def shares_copies(self) -> bool:
        """Whether it judges copies with deleted tokens at little more than the cost of one."""
        return self.single_query

    @property
    def single_query(self) -> bool:
        """Whether it reads one position of a text."""
        return self.config.readout == "last"

    def forward(
        self, input_ids: Tensor, classes: Tensor | None = None, deleted: Tensor | None = None
    ) -> Tensor:
        """(N,) logits of "untouched", or (N, V) of V copies with deleted tokens.

        Args:
            input_ids: (N, L) int64, right-padded, L at most `max_position_embeddings`.
            classes: (N,) int64, the class of the masked sequence; needed where `num_classes` > 0.
            deleted: (N, V, L) bool, what each copy lacks: the logits are those of the shortened
                sequences, which need not be made (readout `last` only).
        """
        present = input_ids != self.config.pad_token_id
        if deleted is None:
            present[:, 0] = True  # an empty sequence is one padding token
            sequences = self._embed(input_ids, present[:, None], classes)
            if self.config.readout == "mean":
                return self.judge(self._mean_output(sequences)).squeeze(-1)
            attended, _ = attend(self.layer, sequences)
            return self.judge(transform(self.layer, attended)).squeeze(-1)
        return self._judge_copies(input_ids, present[:, None] & ~deleted, classes)

    def _judge_copies(self, input_ids: Tensor, kept: Tensor, classes: Tensor | None) -> Tensor:
        """(N, V) logits of copies of which (N, V, L) tokens are kept."""
        if not self.shares_copies:
            raise ValueError("deleted: readout mean needs the shortened sequences themselves")
        kept = F.pad(kept, (0, 1))
        kept[..., -1] = ~kept.any(-1)  # an empty copy is one padding token, too
        input_ids = F.pad(input_ids, (0, 1), value=self.config.pad_token_id)
        attended, _ = attend(self.layer, self._embed(input_ids, kept, classes, moved=True))
        if self.training or not input_ids.is_cpu:
            return self.judge(transform(self.layer, attended)).view(kept.shape[:2])
        first, same = distinct(kept)
        attended = Attended(*(x[first] for x in attended))
        return self.judge(transform(self.layer, attended))[same].view(kept.shape[:2])

    def _mean_output(self, sequences: Sequences) -> Tensor:
        """(N, d): the full layer's outputs, averaged over the real positions."""
        kept = sequences.kept[:, 0]
        hidden = self.layer(sequences.materialised(), src_key_padding_mask=~kept)
        hidden = hidden.masked_fill(~kept[..., None], 0)
        return hidden.sum(1) / kept.sum(-1, keepdim=True)

    def _embed(
        self, input_ids: Tensor, kept: Tensor, classes: Tensor | None, moved: bool = False
    ) -> Sequences:
        projection, offsets = None, None
        if self.config.num_classes:
            assert classes is not None, "this Discriminator is conditioned on the class"
            offsets = self.classes.weight
        if self.config.embedding_size:
            assert self._frozen is not None, "give the Target's embeddings: embed_with(words)"
            projection = self.project.weight
            words = F.embedding(input_ids, self._frozen).to(projection.dtype)
            alike = input_ids.is_cpu
        else:
            words, alike = self.words(input_ids), self.words.sparse
        positions = self.positions.weight
        return Sequences(
            input_ids, words, kept, positions, moved, alike, projection, classes, offsets
        )


def distinct(kept: Tensor) -> tuple[Tensor, Tensor]:
    """Which of the V copies of each sequence are different ones; (N, V, L) bool.

    Returns:
        (D,) int64 numbers, among all N V copies, of the first of each kind, and (N V,) int64, the
        kind of each copy, 0 … D - 1.
    """
    equal = (kept[:, :, None] == kept[:, None]).all(-1)  # (N, V, V)
    copies = torch.arange(kept.shape[1], device=kept.device).expand(equal.shape[:2])
    first = equal.int().argmax(-1)  # of the same sequence
    is_first = (first == copies).flatten()
    kind = (is_first.cumsum(0) - 1).view_as(first).gather(1, first)
    return is_first.nonzero()[:, 0], kind.flatten()
