"""Mask(X, S): what masking the chosen tokens does to a sequence.

Sequences are padded on the right to a common length L; S is a boolean mask over positions. All
functions are pure, vectorised over any leading dimensions, and keep L.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor

MaskKind = Literal["delete", "token"]


def maskable_tokens(tokens: Tensor, special_ids: Iterable[int]) -> Tensor:
    """Which positions may be masked: the real tokens that are not special.

    Args:
        tokens: (..., L) token ids, padded.
        special_ids: a few ids that are never masked; the padding id must be among them.

    Returns:
        (..., L) bool.
    """
    maskable = torch.ones_like(tokens, dtype=torch.bool)
    for special in special_ids:  # plain numbers: nothing is copied to a GPU
        maskable &= tokens != special
    return maskable


def delete_tokens(tokens: Tensor, masks: Tensor, pad_id: int) -> Tensor:
    """Remove the masked tokens; the rest moves up and padding fills the end.

    Args:
        tokens: (..., L) token ids.
        masks: (..., L) bool, True where the token goes; broadcastable against `tokens`.

    Returns:
        (..., L) token ids.
    """
    tokens, masks = torch.broadcast_tensors(tokens, masks)
    length = tokens.shape[-1]
    position = (~masks).cumsum(-1) - 1
    spill = position.masked_fill(masks, length)  # removed tokens land in one extra, dropped column
    padded = tokens.new_full((*tokens.shape[:-1], length + 1), pad_id)
    return padded.scatter(-1, spill, tokens)[..., :length]


def replace_tokens(tokens: Tensor, masks: Tensor, mask_id: int) -> Tensor:
    """Put the mask token in place of each masked token. Shapes as in `delete_tokens`."""
    return torch.where(masks, mask_id, tokens)


def apply_mask(
    tokens: Tensor, masks: Tensor, kind: MaskKind, pad_id: int, mask_id: int | None
) -> Tensor:
    """Mask(X, S) of either kind; `mask_id` is needed for kind `token` only."""
    if kind == "delete":
        return delete_tokens(tokens, masks, pad_id)
    assert mask_id is not None
    return replace_tokens(tokens, masks, mask_id)


def masked_units(masks: Tensor, units: Tensor) -> Tensor:
    """Which units, such as words of several tokens, have a masked token.

    Args:
        masks: (..., L) bool; units: (..., L) int64, the unit of each token, 0 … L - 1.

    Returns:
        (..., L) bool, by unit; `.gather(-1, units)` says it of each token.
    """
    masks, units = torch.broadcast_tensors(masks, units)
    return torch.zeros_like(units).scatter_add(-1, units, masks.long()) > 0


def keep_at_most(masks: Tensor, k: int, keys: Tensor) -> Tensor:
    """Keep k masked positions of each sequence, those of largest `keys`; fewer stay as they are.

    Args:
        masks: (..., L) bool.
        keys: (..., L) random numbers in [0, 1): a uniform draw keeps a uniformly random subset.

    Returns:
        (..., L) bool, a subset of `masks` with at most k bits set.
    """
    k = min(k, masks.shape[-1])
    kept = torch.where(masks, keys, -1.0).topk(k, dim=-1).indices
    return torch.zeros_like(masks).scatter(-1, kept, True) & masks
