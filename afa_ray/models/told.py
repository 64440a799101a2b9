"""What people attend to, put into a Target's reading while it learns (HuMAL, arXiv 2502.06811)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Told:
    """Human attention h of B texts, which sums to 1, or is 0 where there is none.

    Attributes:
        weights: (B, L).
        instead: it takes the place of the first layer's attention (AP). Otherwise `factor` times
            what it gathers is added to what the last layer gathers (AN).
        evenly: the sum is divided by 1 + factor, so that its weights sum to 1 again.
    """

    weights: Tensor
    instead: bool
    factor: float = 1.0
    evenly: bool = False

    @property
    def there(self) -> Tensor:
        """(B,) bool: texts that people attended to."""
        return (self.weights > 0).any(-1)

    def add(self, own: Tensor, theirs: Tensor) -> Tensor:
        """(B, …) own + factor * theirs, evenly or not."""
        total = own + self.factor * theirs
        if not self.evenly:
            return total
        weight = 1 + self.factor * self.weights.sum(-1)
        return total / weight.view(-1, *[1] * (total.dim() - 1))


class Tellable(Protocol):
    """A Target that can be told."""

    told: Told | None


@contextmanager
def telling(target: Tellable, told: Told) -> Iterator[None]:
    """Within, the Target reads as it is told."""
    target.told = told
    try:
        yield
    finally:
        target.told = None


def last_block(model: Any) -> nn.Module | None:
    """The last layer of a transformers model, whose output its head reads; None where that cannot
    be told."""
    count = getattr(model.config, "num_hidden_layers", None)
    found = [m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) == count]
    return found[0][-1] if found else None


def adding(told: Told, position: Tensor, columns_first: bool) -> Callable[..., Any]:
    """A forward hook for the last layer: adds what h gathers of its states to that at (B,)
    `position`."""

    def hook(module: nn.Module, inputs: Any, output: Any) -> Any:
        states = output if isinstance(output, Tensor) else output[0]
        rows = states.transpose(0, 1) if columns_first else states  # (B, L, d)
        theirs = torch.einsum("bl,bld->bd", told.weights.to(rows.dtype), rows)
        each = torch.arange(len(position), device=position.device)
        new = rows.index_put((each, position), told.add(rows[each, position], theirs))
        new = new.transpose(0, 1) if columns_first else new
        return new if isinstance(output, Tensor) else (new, *output[1:])

    return hook
