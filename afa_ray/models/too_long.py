"""Sequences that are too long for a model: which columns of them are read, and back again."""

from __future__ import annotations

import torch
from torch import Tensor


def columns_read(lengths: Tensor, longest: int) -> Tensor:
    """(B, longest): the columns of too long sequences that are read.

    The first ones and, of those that are too long, the last real one, `[EOS]`.
    """
    columns = torch.arange(longest, device=lengths.device).expand(lengths.shape[0], -1)
    last = (lengths - 1).clamp_min(longest - 1)
    return torch.cat([columns[:, :-1], last[:, None]], 1)


def take(x: Tensor, columns: Tensor) -> Tensor:
    """(B, K, …): the (B, K) `columns` of x, (B, L, …)."""
    return x.gather(1, _across(columns, x))


def put_back(x: Tensor, columns: Tensor | None, length: int) -> Tensor:
    """(B, L, …) with x, (B, K, …), in its `columns`, and 0 elsewhere; x itself for None."""
    if columns is None:
        return x
    whole = x.new_zeros(x.shape[0], length, *x.shape[2:])
    return whole.scatter(1, _across(columns, x), x)


def _across(columns: Tensor, x: Tensor) -> Tensor:
    """(B, K) `columns` for each of the numbers of a column of x, (B, …)."""
    return columns.view(*columns.shape, *[1] * (x.dim() - 2)).expand(-1, -1, *x.shape[2:])
