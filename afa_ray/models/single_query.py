"""A Transformer layer read at one position: the absorbed single-query form.

A classifier that reads only its aggregating position needs one query per sequence. The key and
value projections can then be absorbed into the query's side (as in multi-head latent attention,
DeepSeek-V2): with u = W_k^T q the scores are u . x_j, and with c = sum_j a_j x_j the head's output
is W_v c + b_v; the key bias adds the same number to every score and cancels in the softmax. The
function of the parameters is exactly that of the full layer at that position, at 12 d^2
multiply-adds per *sequence* and 2 H d per token, and the attention row falls out.

The layer touches its inputs in three linear ways only: scores, a weighted sum, and the input at the
query; `afa_ray.models.sequences` does these three.

Its query is a function of the last token and its place. So two tokens' shares of attention are to
each other as they are in any other text, whatever it says: attention knows no class. In a further
hop (Sukhbaatar et al., "End-To-End Memory Networks", 2015) the query is what the layer before has
made of the whole text.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from afa_ray.models.dropout import dropout
from afa_ray.models.sequences import Sequences


def make_layer(hidden_size: int, heads: int, dropout: float) -> nn.TransformerEncoderLayer:
    """The textbook layer (post-norm, feed-forward 4 d, GELU) whose parameters both forms use."""
    return nn.TransformerEncoderLayer(
        hidden_size, heads, 4 * hidden_size, dropout, activation="gelu", batch_first=True
    )


def padding_mask(lengths: Tensor, length: int) -> Tensor:
    """(B, L) bool, True at padding, for right-padded sequences of (B,) `lengths`."""
    return torch.arange(length, device=lengths.device) >= lengths[:, None]


class Attended(NamedTuple):
    """What the last position of each of N copies has gathered from its sequence.

    Attributes:
        last: (N, d), the input there.
        context: (N, H, d), each head's weighted sum of the inputs; mass: (N, H, 1), the sum of its
            weights, which dropout moves away from 1.
    """

    last: Tensor
    context: Tensor
    mass: Tensor


def attend(
    layer: nn.TransformerEncoderLayer,
    sequences: Sequences,
    hidden: Tensor | None = None,
    given: Tensor | None = None,
    added: Tensor | None = None,
) -> tuple[Attended, Tensor]:
    """The attention of each copy's last real position.

    Args:
        layer: a post-norm `nn.TransformerEncoderLayer` with batch_first.
        sequences: its inputs, B sequences in V copies each.
        hidden: (N, d), what stands at the last positions instead of their inputs, in a further hop.
        given: (B, V, H, L) rows to attend by, instead of those of the layer.
        added: (C, d): each copy is read with each of these added to its query, as by C times as
            many heads, and gathers the mean over the C readings.

    Returns:
        what it gathers for N = B V copies; rows: (B, V, H, L), or (B, V, C H, L), each head's
        attention before dropout, 0 at padding and at deleted tokens (E1 is its mean over heads).
    """
    attention = layer.self_attn
    heads, head_size = attention.num_heads, attention.head_dim
    query_weight, key_weight, _ = attention.in_proj_weight.chunk(3)  # (d, d) each
    query_bias, _, _ = attention.in_proj_bias.chunk(3)

    last, which = sequences.last() if hidden is None else (hidden, sequences.copies())
    lost = attention.dropout if layer.training else 0.0
    if given is None:
        query = F.linear(last, query_weight, query_bias)
        if added is not None:
            query = (query[:, None] + added).flatten(0, 1)  # (U C, d)
        query = query.view(-1, heads, head_size)
        absorbed = torch.einsum("uhe,hed->uhd", query, key_weight.view(heads, head_size, -1))
        if added is not None:
            absorbed = absorbed.unflatten(0, (-1, len(added))).flatten(1, 2)  # (U, C H, d)
        kinds = 1 if added is None else len(added)
        rows, context, mass = sequences.gather(absorbed * head_size**-0.5, which, lost, kinds)
    else:
        rows, context, mass = sequences.gather_by(given, lost)
    return Attended(last[which].flatten(0, 1), context.flatten(0, 1), mass.flatten(0, 1)), rows


def transform(layer: nn.TransformerEncoderLayer, attended: Attended) -> Tensor:
    """(N, d): the rest of the layer at these positions: values, residuals, norms, feed-forward."""
    attention = layer.self_attn
    heads, head_size = attention.num_heads, attention.head_dim
    value_weight = attention.in_proj_weight.chunk(3)[2].view(heads, head_size, -1)
    value_bias = attention.in_proj_bias.chunk(3)[2].view(heads, head_size)
    values = torch.einsum("nhd,hed->nhe", attended.context, value_weight)
    values = values + attended.mass * value_bias
    p, training = layer.dropout.p, layer.training
    output = attention.out_proj(values.flatten(1))
    hidden = layer.norm1(attended.last + dropout(output, p, training))
    inner = dropout(layer.activation(layer.linear1(hidden)), p, training)
    return layer.norm2(hidden + dropout(layer.linear2(inner), p, training))


def read_everywhere(
    layer: nn.TransformerEncoderLayer, hidden: Tensor, inputs: Tensor, padding: Tensor
) -> Tensor:
    """(B, L, d): the layer's output with each position's `hidden` as a query over the `inputs`.

    With `hidden` the inputs themselves this is the textbook layer; at the last real position it is
    `transform` of what `attend` gathers.

    Args:
        hidden, inputs: (B, L, d); padding: (B, L) bool, True where nothing is read.
    """
    read, _ = layer.self_attn(hidden, inputs, inputs, key_padding_mask=padding, need_weights=False)
    hidden = layer.norm1(hidden + layer.dropout1(read))
    inner = layer.dropout(layer.activation(layer.linear1(hidden)))
    return layer.norm2(hidden + layer.dropout2(layer.linear2(inner)))
