"""Layer-wise relevance propagation: the rules of Chefer et al. (CVPR 2021) with alpha = 1.

What comes back through a function is relevance, which no function makes or loses: it starts as the
one-hot class at the logits, and sums to 1 at the first layer's input. A tensor that is used twice
has the sum of its relevances, which is their rule for clones.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from afa_ray.explainers.interface import CannotExplainError
from afa_ray.explainers.rules import Rule, is_active


def safe_divide(a: Tensor, b: Tensor) -> Tensor:
    """a / b with b at least 1e-9 away from 0; 0 where b is 0."""
    away = b.clamp_min(1e-9) + b.clamp_max(1e-9)
    return a / (away + (away == 0) * 1e-9) * (b != 0)


class _Linear(torch.autograd.Function):
    """R_in = x+ (S W+) + x- (S W-), S = R / (x+ W+^T + x- W-^T); the bias has no part in it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, relevance: Tensor) -> tuple[Tensor, None, None]:
        x, weight = ctx.saved_tensors
        more, less = (x.clamp_min(0), weight.clamp_min(0)), (x.clamp_max(0), weight.clamp_max(0))
        share = safe_divide(relevance, F.linear(*more) + F.linear(*less))
        return more[0] * (share @ more[1]) + less[0] * (share @ less[1]), None, None


class _Add(torch.autograd.Function):
    """Each gets its share of the sum, and then as much in all, text by text, as its own sum has."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return a + b

    @staticmethod
    def backward(ctx: Any, relevance: Tensor) -> tuple[Tensor, Tensor]:
        a, b = ctx.saved_tensors
        share = safe_divide(relevance, a + b)
        parts = (a * share, b * share)
        sums = [_over_text(part) for part in parts]
        total = sums[0].abs() + sums[1].abs()
        whole = _over_text(relevance)
        first, second = (
            part * safe_divide(safe_divide(of.abs(), total) * whole, of)
            for part, of in zip(parts, sums, strict=True)
        )
        return first, second


class _Product(torch.autograd.Function):
    """R_A = A (S B^T) / 2 and R_B = B (A^T S) / 2, S = R / (A B)."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return a @ b

    @staticmethod
    def backward(ctx: Any, relevance: Tensor) -> tuple[Tensor, Tensor]:
        a, b = ctx.saved_tensors
        share = safe_divide(relevance, a @ b)
        return a * (share @ b.transpose(-1, -2)) / 2, b * (a.transpose(-1, -2) @ share) / 2


class _Passed(torch.autograd.Function):
    """y, what was made of x number by number: its relevance is that of x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, relevance: Tensor) -> tuple[Tensor, None]:
        return relevance, None


def _over_text(x: Tensor) -> Tensor:
    """The sum over all but the first dimension, which stays beside as many of size 1."""
    return x.sum(tuple(range(1, x.dim())), keepdim=True)


def _pass(function: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    with torch.no_grad():
        y = function(x, *args, **kwargs)
    return _Passed.apply(x, y)


def _linear(function: Any, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return _Linear.apply(x, weight, bias)


def _addmm(function: Any, bias: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    return _Linear.apply(x, weight.T, bias)


def _add(function: Any, a: Any, b: Any) -> Tensor:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return _Add.apply(*torch.broadcast_tensors(a, b))
    return _pass(function, *((a, b) if isinstance(a, Tensor) else (b, a)))


def _product(function: Any, a: Tensor, b: Tensor) -> Tensor:
    return _Product.apply(a, b)


def _factor(function: Any, a: Any, b: Any) -> Tensor:
    """A product with something constant passes relevance on, number by number."""
    if is_active(a) and is_active(b):
        raise CannotExplainError(
            "LRP has no rule for a product of two activations, as in a gated layer"
        )
    x, other = (a, b) if is_active(a) else (b, a)
    return _pass(lambda given: function(given, other), x)


PASSED = ("softmax", "gelu", "relu", "silu", "tanh", "layer_norm", "sigmoid")
RULES: dict[str, Rule] = {name: _pass for name in PASSED} | {
    "linear": _linear,
    "addmm": _addmm,
    "add": _add,
    "matmul": _product,
    "mul": _factor,
    "div": _factor,
}
