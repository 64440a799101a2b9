"""The attention row of a Hugging Face model, without materialising attention.

`output_attentions=True` makes transformers run eager attention and keep B x H x L x L weights of
every layer. Only one row of one layer is needed (E1). So attention runs in PyTorch's SDPA, which
returns no weights; the last layer's queries and keys are kept by reference as they pass, and the
row is computed from them afterwards: 2 H d_h L multiply-adds a sequence beside the layers'.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

IMPLEMENTATION = "afa_row"  # value of `attn_implementation`


@dataclass
class Layer:
    """What one attention layer was given: (B, H, L, d_h) queries, (B, H_kv, L, d_h) keys, its mask.

    The mask is None (everything, or the past only where `causal`), or (B or 1, 1 or H, 1 or L, L):
    bool, True where a key is seen, or numbers to be added to the scores. Scores s are capped to
    `softcap` tanh(s / `softcap`) before (Gemma 2), unless that is None.
    """

    query: Tensor
    key: Tensor
    mask: Tensor | None
    scale: float
    causal: bool
    softcap: float | None = None


@dataclass
class Given:
    """A row to attend by: `weights` (B, L) at (B,) `position` in attention layer `number`, in every
    head, of all texts or of (B,) bool `those`; as `gates`, they are multiplied with each head's own
    row."""

    weights: Tensor
    position: Tensor
    number: int
    gates: bool = False
    those: Tensor | None = None

    def rows(self, heads: int, own: Callable[[], Tensor]) -> Tensor:
        """(B, H, L); `own` computes the layer's own ones, where they are needed."""
        given = self.weights[:, None].expand(-1, heads, -1)
        return own() * given if self.gates else given

    def put_into(self, attended: Tensor, value: Tensor, layer: Layer) -> Tensor:
        """(B, L, H, d_h) of a layer, as it is had its heads attended by the row at the position.

        Args:
            value: (B, H_kv, L, d_h).
        """
        each = torch.arange(len(self.position), device=self.position.device)
        value = value.repeat_interleave(attended.shape[2] // value.shape[1], 1)
        rows = self.rows(attended.shape[2], lambda: attention_rows(layer, self.position))
        found = torch.einsum("bhl,bhld->bhd", rows.to(value.dtype), value)
        if self.those is not None:
            found = found.where(self.those[:, None, None], attended[each, self.position])
        return attended.index_put((each, self.position), found.to(attended.dtype))


@dataclass
class Watch:
    """What passes through a model's attention layers: after a forward pass their number, and the
    `last` one (None where the model does not go through the interface), and the `first` one where
    it is to be kept."""

    given: Given | None = None
    keep_first: bool = False
    first: Layer | None = None
    last: Layer | None = None
    count: int = 0


_watch: ContextVar[Watch | None] = ContextVar("watch over attention layers", default=None)


@contextmanager
def watching(given: Given | None = None, keep_first: bool = False) -> Iterator[Watch]:
    """Watch the forward pass within, and have one of its layers attend by a given row."""
    watch = Watch(given, keep_first)
    token = _watch.set(watch)
    try:
        yield watch
    finally:
        _watch.reset(token)


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, None]:
    """SDPA as transformers calls it; leaves queries and keys to whoever is `watching`."""
    causal = options.get("is_causal")
    layer = Layer(
        query,
        key,
        attention_mask,
        scale=query.shape[-1] ** -0.5 if (s := options.get("scaling")) is None else s,
        causal=bool(getattr(module, "is_causal", True) if causal is None else causal),
        softcap=options.get("softcap"),
    )
    if layer.softcap is not None:
        attended = _capped(layer, value, options.get("dropout", 0.0))
    else:
        attended = sdpa_attention_forward(module, query, key, value, attention_mask, **options)[0]
    watch = _watch.get()
    if watch is not None:
        if watch.keep_first and watch.count == 0:
            watch.first = layer
        watch.last, watch.count = layer, watch.count + 1
        if watch.given is not None and watch.given.number == watch.count:
            attended = watch.given.put_into(attended, value, layer)
    return attended, None


def _capped(layer: Layer, value: Tensor, dropout: float) -> Tensor:
    """(B, L, H, d_h): attention with capped scores, which SDPA has not, weights and all."""
    heads, length = layer.query.shape[1:3]
    mask = layer.mask
    if mask is None and layer.causal:
        mask = torch.ones(length, length, dtype=torch.bool, device=value.device).tril()
    weights = F.dropout(_weights(layer, layer.query, mask).to(value.dtype), dropout)
    value = value.repeat_interleave(heads // value.shape[1], 1)
    return (weights @ value).transpose(1, 2).contiguous()


AttentionInterface.register(IMPLEMENTATION, attend)
AttentionMaskInterface.register(IMPLEMENTATION, sdpa_mask)


def attention_rows(layer: Layer, position: Tensor) -> Tensor:
    """(E1) softmax(q_n K^T / sqrt(d_h)) at one position n of each sequence, by head.

    Computed in float32 whatever the layer's type, before attention dropout, differentiable in
    queries and keys. Grouped-query attention: query heads that share a key head read its keys.

    Args:
        layer: the last one's queries, keys and mask; position: (B,) int64, n.

    Returns:
        (B, H, L), 0 where the mask hides a key.
    """
    with torch.autocast(layer.query.device.type, enabled=False):
        each = torch.arange(len(position), device=position.device)
        query = layer.query[each, :, position].unsqueeze(2).float()  # (B, H, 1, d_h)
        in_float32 = replace(layer, key=layer.key.float())
        return _weights(in_float32, query, _mask_row(layer, position))[:, :, 0]


def _weights(layer: Layer, query: Tensor, mask: Tensor | None) -> Tensor:
    """(B, H, Q, L) float32 attention of Q queries by head, (B, H, Q, d_h), over the layer's keys.

    Args:
        mask: of these queries, as a layer's.
    """
    batch, heads, count, size = query.shape
    groups = query.reshape(batch, layer.key.shape[1], -1, size)
    scores = (groups @ layer.key.transpose(-1, -2)).view(batch, heads, count, -1) * layer.scale
    if layer.softcap is not None:
        scores = layer.softcap * torch.tanh(scores / layer.softcap)
    return (scores if mask is None else _hide(scores, mask)).float().softmax(-1)


def _mask_row(layer: Layer, position: Tensor) -> Tensor | None:
    """(B, 1 or H, 1, L): the mask of each sequence's query at `position`; None for everything."""
    if layer.mask is None:
        past = torch.arange(layer.key.shape[2], device=position.device) <= position[:, None]
        return past[:, None, None] if layer.causal else None
    mask = layer.mask.expand(len(position), -1, -1, -1)
    if mask.shape[2] == 1:
        return mask
    each = torch.arange(len(position), device=position.device)
    return mask[each, :, position].unsqueeze(2)


def _hide(scores: Tensor, mask: Tensor) -> Tensor:
    if mask.dtype == torch.bool:
        hidden = torch.finfo(scores.dtype).min  # finite: a query at padding may see nothing at all
        return scores.masked_fill(~mask, hidden)
    return scores + mask.to(scores.dtype)
