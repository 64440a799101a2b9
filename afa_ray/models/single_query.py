"""A Transformer layer read at one position: the absorbed single-query form.

A classifier that reads only its aggregating position needs one query per sequence. The key and
value projections can then be absorbed into the query's side (as in multi-head latent attention,
DeepSeek-V2): with u = W_k^T q the scores are u . x_j, and with c = sum_j a_j x_j the head's output
is W_v c + b_v; the key bias adds the same number to every score and cancels in the softmax. The
function of the parameters is exactly that of the full layer at that position, at 12 d^2
multiply-adds per *sequence* and 2 H d per token, and the attention row falls out.

The layer touches its inputs in three linear ways only: scores, a weighted sum, and the input at the
query. `Projected` inputs, frozen embeddings of another width e that a matrix takes to d, are
therefore never projected token by token: that matrix, too, is applied to what is one per sequence.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import initialization as init


def make_layer(hidden_size: int, heads: int, dropout: float) -> nn.TransformerEncoderLayer:
    """The textbook layer (post-norm, feed-forward 4 d, GELU) whose parameters both forms use."""
    return nn.TransformerEncoderLayer(
        hidden_size, heads, 4 * hidden_size, dropout, activation="gelu", batch_first=True
    )


def quieten(positions: nn.Embedding, std: float) -> None:
    """Initialise position embeddings at a tenth of `std`, so that words are heard above them."""
    init.normal_(positions.weight, std=std / 10)


def padding_mask(lengths: Tensor, length: int) -> Tensor:
    """(B, L) bool, True at padding, for right-padded sequences of (B,) `lengths`."""
    return torch.arange(length, device=lengths.device) >= lengths[:, None]


class Inputs(Protocol):
    """(B, L, d) inputs of a layer, right-padded, as far as a single query needs them."""

    def scores(self, absorbed: Tensor) -> Tensor:
        """(B, H, L): (B, H, d) vectors times each input, up to a number for each (B, H)."""

    def mix(self, weights: Tensor) -> Tensor:
        """(B, H, d): sums of the inputs, weighted by (B, H, L)."""

    def at(self, position: Tensor) -> Tensor:
        """(B, d): each sequence's input at (B,) `position`."""


class Dense(NamedTuple):
    """Inputs x (B, L, d) as they are."""

    x: Tensor

    def scores(self, absorbed: Tensor) -> Tensor:
        return absorbed @ self.x.transpose(1, 2)

    def mix(self, weights: Tensor) -> Tensor:
        return weights @ self.x

    def at(self, position: Tensor) -> Tensor:
        return self.x[torch.arange(len(position), device=position.device), position]


class Projected(NamedTuple):
    """Inputs x_j = P e_j + p_j + c, never materialised.

    Attributes:
        embeddings: e, (B, L, e); projection: P, (d, e); positions: p, (L, d).
        offset: c, (B, d), the same at every position; None for none.
    """

    embeddings: Tensor
    projection: Tensor
    positions: Tensor
    offset: Tensor | None

    def scores(self, absorbed: Tensor) -> Tensor:
        """The offset's share is equal at all positions and left out."""
        words = (absorbed @ self.projection) @ self.embeddings.transpose(1, 2)
        return words + absorbed @ self.positions.T

    def mix(self, weights: Tensor) -> Tensor:
        words = F.linear(weights @ self.embeddings, self.projection) + weights @ self.positions
        if self.offset is None:
            return words
        return words + weights.sum(-1, keepdim=True) * self.offset[:, None]

    def at(self, position: Tensor) -> Tensor:
        words = self.embeddings[torch.arange(len(position), device=position.device), position]
        x = F.linear(words, self.projection) + self.positions[position]
        return x if self.offset is None else x + self.offset

    @property
    def x(self) -> Tensor:
        """(B, L, d): the inputs, materialised."""
        x = F.linear(self.embeddings, self.projection) + self.positions
        return x if self.offset is None else x + self.offset[:, None]


def single_query(
    layer: nn.TransformerEncoderLayer, inputs: Inputs, lengths: Tensor
) -> tuple[Tensor, Tensor]:
    """The layer's output at the last real position, and that position's attention.

    Args:
        layer: a post-norm `nn.TransformerEncoderLayer` with batch_first.
        inputs: of the layer, (B, L, d).
        lengths: (B,) numbers of real positions, >= 1.

    Returns:
        hidden: (B, d), the layer's output at `lengths[b] - 1`; rows: (B, H, L), each head's
        attention before dropout, 0 at padding (E1 is its mean over heads).
    """
    attention = layer.self_attn
    batch, hidden_size = len(lengths), attention.embed_dim
    heads, head_size = attention.num_heads, attention.head_dim
    query_weight, key_weight, value_weight = attention.in_proj_weight.chunk(3)  # (d, d) each
    query_bias, _, value_bias = attention.in_proj_bias.chunk(3)

    last = inputs.at(lengths - 1)  # (B, d)
    query = F.linear(last, query_weight, query_bias).view(batch, heads, head_size)
    absorbed = torch.einsum("bhe,hed->bhd", query, key_weight.view(heads, head_size, -1))
    scores = inputs.scores(absorbed) * head_size**-0.5  # (B, H, L)
    scores = scores.masked_fill(padding_mask(lengths, scores.shape[-1])[:, None], -torch.inf)
    rows = scores.softmax(-1)
    weights = F.dropout(rows, attention.dropout, layer.training)

    context = inputs.mix(weights)  # (B, H, d)
    values = torch.einsum("bhd,hed->bhe", context, value_weight.view(heads, head_size, -1))
    values = values + weights.sum(-1, keepdim=True) * value_bias.view(heads, head_size)
    attended = attention.out_proj(values.reshape(batch, hidden_size))

    hidden = layer.norm1(last + layer.dropout1(attended))
    inner = layer.dropout(layer.activation(layer.linear1(hidden)))
    return layer.norm2(hidden + layer.dropout2(layer.linear2(inner))), rows
