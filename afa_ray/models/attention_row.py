"""The attention row of a Hugging Face model, without materialising attention.

`output_attentions=True` makes transformers run eager attention and keep B x H x L x L weights of
every layer. Only one row of one layer is needed (E1). So attention runs in PyTorch's SDPA, which
returns no weights; the last layer's queries and keys are kept by reference as they pass, and the
row is computed from them afterwards: 2 H d_h L multiply-adds a sequence beside the layers'.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

IMPLEMENTATION = "afa_row"  # value of `attn_implementation`


@dataclass
class Layer:
    """What one attention layer was given: (B, H, L, d_h) queries, (B, H_kv, L, d_h) keys, its mask.

    The mask is None (everything, or the past only where `causal`), or (B or 1, 1 or H, 1 or L, L):
    bool, True where a key is seen, or numbers to be added to the scores.
    """

    query: Tensor
    key: Tensor
    mask: Tensor | None
    scale: float
    causal: bool


_layers: ContextVar[list[Layer] | None] = ContextVar("last attention layer", default=None)


@contextmanager
def last_layer() -> Iterator[list[Layer]]:
    """A list that holds, after a model's forward pass, its last attention layer (if it had one)."""
    layers: list[Layer] = []
    token = _layers.set(layers)
    try:
        yield layers
    finally:
        _layers.reset(token)


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, None]:
    """SDPA as transformers calls it; leaves queries and keys where `last_layer` finds them."""
    attended = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    layers = _layers.get()
    if layers is not None:
        causal = options.get("is_causal")
        layers[:] = [
            Layer(
                query,
                key,
                attention_mask,
                scale=query.shape[-1] ** -0.5 if (s := options.get("scaling")) is None else s,
                causal=bool(getattr(module, "is_causal", True) if causal is None else causal),
            )
        ]
    return attended


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
    batch, heads, length, size = layer.query.shape
    with torch.autocast(layer.query.device.type, enabled=False):
        query = layer.query[torch.arange(batch, device=position.device), :, position]  # (B, H, d_h)
        groups = query.float().view(batch, layer.key.shape[1], -1, size)
        scores = (groups @ layer.key.float().transpose(-1, -2)).view(batch, heads, -1) * layer.scale
        if layer.mask is not None:
            return _hide(scores, _mask_row(layer.mask, position)).softmax(-1)
        if layer.causal:
            past = torch.arange(length, device=position.device) <= position[:, None]
            return _hide(scores, past[:, None]).softmax(-1)
        return scores.softmax(-1)


def _mask_row(mask: Tensor, position: Tensor) -> Tensor:
    """(B, 1 or H, L): the mask of each sequence's query at `position`."""
    mask = mask.expand(len(position), -1, -1, -1)
    if mask.shape[2] == 1:
        return mask[:, :, 0]
    return mask[torch.arange(len(position), device=position.device), :, position]


def _hide(scores: Tensor, mask: Tensor) -> Tensor:
    if mask.dtype == torch.bool:
        return scores.masked_fill(~mask, -torch.inf)
    return scores + mask.float()
