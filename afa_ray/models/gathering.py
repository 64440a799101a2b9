"""Attention by given keys, over embeddings that it touches as seldom as it can.

(B, L, e) embeddings are by far the largest thing in a step, so that its time is the number of times
they are read and written. Autograd's own backward of the two products writes two gradients of their
size and adds them up; here both come out of one product.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(
        embeddings: Tensor, keys: Tensor, biases: Tensor, noise: Tensor, kinds: int, heads: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        rows = torch.baddbmm(biases, keys, embeddings.transpose(1, 2)).softmax(-1)
        weights = rows * noise if kinds == 1 else _by_kind(rows, kinds, heads).mean(2).flatten(1, 2)
        if kinds > 1:
            weights = weights * noise
        return rows, weights, weights @ embeddings

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        embeddings, keys, _, noise, *ctx.kinds = inputs
        ctx.save_for_backward(embeddings, keys, noise, *output[:2])
        kind = embeddings.device.type
        on = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
        ctx.autocast = (kind, torch.get_autocast_dtype(kind), on) if on else None

    @staticmethod
    def backward(ctx: Any, *of: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None, None, None]:
        with torch.autocast(*ctx.autocast) if ctx.autocast else nullcontext():
            return _gather_backward(ctx, *of)


def _gather_backward(
    ctx: Any, of_rows: Tensor, of_weights: Tensor, of_context: Tensor
) -> tuple[Tensor | None, Tensor, Tensor, None, None, None]:
    embeddings, keys, noise, rows, weights = ctx.saved_tensors
    of_weights = torch.baddbmm(of_weights, of_context, embeddings.transpose(1, 2))
    kinds, heads = ctx.kinds
    if kinds == 1:
        of_rows = of_rows + of_weights * noise
    else:
        of_mean = (of_weights * noise / kinds).unflatten(1, (-1, 1, heads))
        of_rows = (_by_kind(of_rows, kinds, heads) + of_mean).flatten(1, 3)
    of_scores = rows * (of_rows - (of_rows * rows).sum(-1, keepdim=True))
    of_embeddings = None
    if ctx.needs_input_grad[0]:
        by_token = torch.cat([of_scores, weights], 1).transpose(1, 2)
        of_embeddings = by_token @ torch.cat([keys, of_context], 1)
    return of_embeddings, of_scores @ embeddings, of_scores, None, None, None


def _by_kind(rows: Tensor, kinds: int, heads: int) -> Tensor:
    """(B, V, C, H, L) of (B, V C H, L)."""
    return rows.unflatten(1, (-1, kinds, heads))


class _PickOut(torch.autograd.Function):
    @staticmethod
    def forward(embeddings: Tensor, sequence: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
        return embeddings.view_as(embeddings), embeddings[sequence, column]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        ctx.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, of_embeddings: Tensor, of_picked: Tensor) -> tuple[Tensor, None, None]:
        of_embeddings.index_put_(ctx.saved_tensors, of_picked, accumulate=True)
        return of_embeddings, None, None


Gather = Callable[..., tuple[Tensor, Tensor, Tensor]]


def gatherer(embeddings: Tensor, sequence: Tensor, column: Tensor) -> tuple[Tensor, Gather]:
    """The embeddings of U tokens, and the function that attends to all, as often as needed.

    Nothing else gets hold of the embeddings behind it. So the gradient that comes back to them lies
    in memory of its own, and that of the U rows is added to it in place.

    Args:
        embeddings: e, (B, L, e); sequence, column: (U,) int64, where the U tokens stand.

    Returns:
        (U, e), and `gather(keys, biases, noise, rows=None, kinds=(1, 1))`, K readings of each of B
        sequences: rows = softmax(keys e^T + biases), weights = rows * noise, context = weights e,
        where

        keys: (B, K, e); biases: (B, K, L), -inf where nothing is seen.
        noise: (B, K, L) factors, without gradient, that make `weights` of `rows` (dropout).
        rows: (B, K, L), to be taken instead; keys and biases are not needed then.

        kinds: C and H, where the K readings are of V copies, by C kinds of H heads: weights and
            context are then those of the mean over kinds, and noise is theirs, (B, V H, L).

        It returns rows and weights, (B, K, L), and context, (B, K, e).
    """
    passed, picked = _PickOut.apply(embeddings, sequence, column)

    def gather(
        keys: Tensor | None,
        biases: Tensor | None,
        noise: Tensor,
        rows: Tensor | None = None,
        kinds: tuple[int, int] = (1, 1),
    ) -> tuple[Tensor, Tensor, Tensor]:
        if rows is None:
            return _Gather.apply(passed, keys, biases, noise, *kinds)
        return rows, rows * noise, (rows * noise) @ passed

    return picked, gather
