"""A Transformer layer read at one position: the absorbed single-query form.

A classifier that reads only its aggregating position needs one query per sequence. The key and
value projections can then be absorbed into the query's side (as in multi-head latent attention,
DeepSeek-V2): with u = W_k^T q the scores are u . x_j, and with c = sum_j a_j x_j the head's output
is W_v c + b_v; the key bias adds the same number to every score and cancels in the softmax. The
function of the parameters is exactly that of the full layer at that position, at 12 d^2
multiply-adds per *sequence* and 2 H d per token, and the attention row falls out.
"""

from __future__ import annotations

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


def single_query(
    layer: nn.TransformerEncoderLayer, x: Tensor, lengths: Tensor
) -> tuple[Tensor, Tensor]:
    """The layer's output at the last real position, and that position's attention.

    Args:
        layer: a post-norm `nn.TransformerEncoderLayer` with batch_first.
        x: (B, L, d) inputs, right-padded.
        lengths: (B,) numbers of real positions, >= 1.

    Returns:
        hidden: (B, d), `layer(x)[b, lengths[b] - 1]`; rows: (B, H, L), each head's attention
        before dropout, 0 at padding (E1 is its mean over heads).
    """
    attention = layer.self_attn
    batch, length, hidden_size = x.shape
    heads, head_size = attention.num_heads, attention.head_dim
    query_weight, key_weight, value_weight = attention.in_proj_weight.chunk(3)  # (d, d) each
    query_bias, _, value_bias = attention.in_proj_bias.chunk(3)

    last = x[torch.arange(batch, device=x.device), lengths - 1]  # (B, d)
    query = F.linear(last, query_weight, query_bias).view(batch, heads, head_size)
    absorbed = torch.einsum("bhe,hed->bhd", query, key_weight.view(heads, head_size, -1))
    scores = absorbed @ x.transpose(1, 2) * head_size**-0.5  # (B, H, L)
    scores = scores.masked_fill(padding_mask(lengths, length)[:, None], -torch.inf)
    rows = scores.softmax(-1)
    weights = F.dropout(rows, attention.dropout, layer.training)

    context = weights @ x  # (B, H, d)
    values = torch.einsum("bhd,hed->bhe", context, value_weight.view(heads, head_size, -1))
    values = values + weights.sum(-1, keepdim=True) * value_bias.view(heads, head_size)
    attended = attention.out_proj(values.reshape(batch, hidden_size))

    hidden = layer.norm1(last + layer.dropout1(attended))
    inner = layer.dropout(layer.activation(layer.linear1(hidden)))
    return layer.norm2(hidden + layer.dropout2(layer.linear2(inner))), rows
