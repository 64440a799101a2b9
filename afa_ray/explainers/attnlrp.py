"""AttnLRP and CP-LRP as gradients of a changed model: relevance is gradient times input.

Achtibat et al., "AttnLRP" (ICML 2024) and Ali et al., "XAI for Transformers: better explanations
through conservative propagation" (ICML 2022). The forward pass is that of the model. Backwards,
the deviation by which a norm divides is a constant; an activation acts as the factor y / x; what
comes back through a product of two activations is shared in halves. In CP-LRP attention weights
are constants. Neither conserves exactly: biases keep what they get.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from afa_ray.explainers.lrp import safe_divide
from afa_ray.explainers.rules import Rule, is_active


class _Factor(torch.autograd.Function):
    """y, whose gradient by x is y / x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(safe_divide(y, x))
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (factor,) = ctx.saved_tensors
        return gradient * factor, None


class _Half(torch.autograd.Function):
    """x, with half of its gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient / 2


def _activation(function: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    with torch.no_grad():
        y = function(x, *args, **kwargs)
    return _Factor.apply(x, y)


def _layer_norm(
    function: Any,
    x: Tensor,
    shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    axes = tuple(range(-len(shape), 0))
    deviation = (x.detach().var(axes, unbiased=False, keepdim=True) + eps).sqrt()
    y = (x - x.mean(axes, keepdim=True)) / deviation
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def _constant(function: Any, *args: Any, **kwargs: Any) -> Tensor:
    with torch.no_grad():
        return function(*args, **kwargs)


def _product(function: Any, a: Any, b: Any) -> Tensor:
    product = function(a, b)
    return _Half.apply(product) if is_active(a) and is_active(b) else product


ATTN: dict[str, Rule] = {
    "gelu": _activation,
    "relu": _activation,
    "silu": _activation,
    "tanh": _activation,
    "sigmoid": _activation,
    "layer_norm": _layer_norm,
    "rsqrt": _constant,  # of the mean square, in RMSNorm
    "matmul": _product,
    "mul": _product,
}
CP: dict[str, Rule] = ATTN | {"softmax": _constant}
