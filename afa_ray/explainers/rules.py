"""Relevance through any model, function by function, with autograd carrying it.

Within `following` each function of PyTorch that a tensor with a gradient enters is done by a rule:
it computes the same number, and what comes back through it is its rule's. Shapes, indices and the
sum over what was used twice are autograd's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from afa_ray.explainers.interface import CannotExplainError

Rule = Callable[..., Tensor]

ALIKE = {"__add__": "add", "__radd__": "add", "__mul__": "mul", "__rmul__": "mul"} | {
    "__matmul__": "matmul", "bmm": "matmul", "__truediv__": "div", "true_divide": "div",
}  # fmt: skip
ACTIVATIONS = ("transformers.activations", "torch.nn.modules.activation")
MOVES = {
    "view", "view_as", "reshape", "transpose", "permute", "contiguous", "chunk", "split", "unbind",
    "cat", "stack", "repeat", "repeat_interleave", "expand", "expand_as", "unsqueeze", "squeeze",
    "flatten", "unflatten", "select", "gather", "clone", "to", "float", "type", "neg", "dropout",
    "size", "dim", "numel", "stride", "is_contiguous", "requires_grad_",
    "__getitem__", "__get__", "__len__",
}  # fmt: skip
"""Functions that move numbers, or ask about them: autograd's way is the rule."""


class _Mode(TorchFunctionMode):
    def __init__(self, rules: Mapping[str, Rule], strict: bool) -> None:
        super().__init__()
        self._rules, self._strict = rules, strict

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", str(func))
        name = ALIKE.get(name, name)
        if not any(is_active(x) for x in (*args, *kwargs.values())):
            return func(*args, **kwargs)
        if name in self._rules:
            return self._rules[name](func, *args, **kwargs)
        if self._strict and name not in MOVES:
            raise CannotExplainError(f"LRP has no rule for {name}, which the model uses")
        return func(*args, **kwargs)


@contextmanager
def following(model: nn.Module, rules: Mapping[str, Rule], *, strict: bool) -> Iterator[None]:
    """Do the functions by rules, from their name: (function, its arguments) -> result.

    Activations that are modules, made of several functions, are done by the rule `gelu`. Weights
    have no gradient meanwhile.

    Args:
        strict: whether a function without a rule is refused, or left to autograd.
    """
    frozen = [p for p in model.parameters() if p.requires_grad]
    modules = [m for m in model.modules() if type(m).__module__ in ACTIVATIONS]
    for parameter in frozen:
        parameter.requires_grad_(False)
    for module in modules:
        module.forward = partial(rules["gelu"], _unruled(module.forward))
    try:
        with torch.enable_grad(), _Mode(rules, strict):
            yield
    finally:
        for module in modules:
            del module.forward
        for parameter in frozen:
            parameter.requires_grad_(True)


def _unruled(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def call(*args: Any, **kwargs: Any) -> Tensor:
        with torch._C.DisableTorchFunction(), torch.no_grad():
            return function(*args, **kwargs)

    return call


def is_active(x: object) -> bool:
    """Whether something comes back to it."""
    if isinstance(x, list | tuple):
        return any(is_active(one) for one in x)
    return isinstance(x, Tensor) and x.requires_grad
