"""What a module is updated with: optimiser, gradients by rows, a wrapping for several workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from inspect import unwrap
from typing import Any

import torch
from torch import Tensor, nn

Wrap = Callable[[nn.Module], nn.Module]


def trainable(module: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


class RowAdam(torch.optim.Adam):
    """Adam that takes an embedding's gradient by rows and does exactly what it would do densely.

    A batch touches a few thousand rows of a table. Its gradient, sparse, is spread into a dense one
    that is kept, and whose touched rows alone are cleared again: nothing of the table's size is
    allocated, zeroed and added up in every update.

    Methods are unwrapped: torch marks them as not to be compiled, and to do so it imports its
    compiler, which takes longer than a short training.
    """

    _step = unwrap(torch.optim.Adam.step)
    add_param_group = unwrap(torch.optim.Adam.add_param_group)
    zero_grad = unwrap(torch.optim.Adam.zero_grad)
    state_dict = unwrap(torch.optim.Adam.state_dict)
    load_state_dict = unwrap(torch.optim.Adam.load_state_dict)

    def __init__(self, parameters: list[nn.Parameter], lr: float) -> None:
        super().__init__(parameters, lr=lr, fused=True)
        self._keep_nothing()

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._keep_nothing()

    def _keep_nothing(self) -> None:
        self._dense: dict[nn.Parameter, Tensor] = {}
        self._rows: dict[nn.Parameter, Tensor] = {}

    def spread(self) -> None:
        """Make every gradient dense, as `step` and whoever looks at gradients need it."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None and parameter.grad.is_sparse:
                    self._spread(parameter, parameter.grad)

    def _spread(self, parameter: nn.Parameter, gradient: Tensor) -> None:
        if parameter not in self._dense:
            self._dense[parameter] = torch.zeros_like(parameter)
        dense = self._dense[parameter]
        if parameter in self._rows:
            _clear(dense, self._rows[parameter])
        self._rows[parameter] = gradient._indices()[0]  # not coalesced: a row may occur twice
        parameter.grad = dense.index_add_(0, self._rows[parameter], gradient._values())

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        self.spread()
        self._step(closure)


def _clear(dense: Tensor, rows: Tensor) -> None:
    """Zero these rows, or all of them where many are scattered, which would take longer."""
    if len(rows) < len(dense) / 4:
        dense.index_fill_(0, rows, 0.0)
    else:
        dense.zero_()


@contextmanager
def by_rows(module: nn.Module) -> Iterator[None]:
    """What is read within sends the gradient of a single-layer player's words by rows.

    On a CPU, that is: a GPU writes tables of tens of megabytes in less time than it takes to ask.
    """
    words = getattr(module, "words", None)
    if not isinstance(words, nn.Embedding) or not words.weight.is_cpu:
        yield
        return
    words.sparse = True
    try:
        yield
    finally:
        words.sparse = False


def adam(module: nn.Module, lr: float) -> RowAdam:
    return RowAdam(trainable(module), lr)


def wrapped(module: nn.Module, wrap: Wrap) -> nn.Module:
    """For its own update; what averages gradients has to know beforehand which are sparse."""
    with by_rows(module):
        return wrap(module)


def synchronising(module: Any, now: bool) -> AbstractContextManager[None]:
    """Replicas average their gradients with the last part of an update only."""
    return nullcontext() if now or not hasattr(module, "no_sync") else module.no_sync()
