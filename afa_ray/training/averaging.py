"""The exponential average of a model's weights in the course of training.

Single updates of a small batch move the weights to and fro; their average is where they stay
(Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

EVERY = 4  # updates; weights in between add little, and reading them all takes time


class Average:
    """Over about the last `updates` updates; it starts at the weights as they are.

    `weights` are by parameter name, of those that are trained.
    """

    def __init__(self, module: nn.Module, updates: int) -> None:
        self._parameters = {n: p for n, p in module.named_parameters() if p.requires_grad}
        self.weights = {n: p.detach().clone() for n, p in self._parameters.items()}
        self._share = 1 - (1 - 1 / updates) ** EVERY

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """Take the weights in after update number `step` (from 1), one in `EVERY`."""
        if step % EVERY == 0:
            torch._foreach_lerp_(self._listed(), list(self._parameters.values()), self._share)

    @torch.no_grad()
    def load(self, weights: dict[str, Tensor]) -> None:
        """Go on with the weights of a checkpoint."""
        for name, weight in weights.items():
            self.weights[name].copy_(weight)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within, the module has the averaged weights."""
        own = [p.detach().clone() for p in self._parameters.values()]
        self._put(self._listed())
        try:
            yield
        finally:
            self._put(own)

    @torch.no_grad()
    def _put(self, weights: list[Tensor]) -> None:
        for parameter, weight in zip(self._parameters.values(), weights, strict=True):
            parameter.copy_(weight)

    def _listed(self) -> list[Tensor]:
        return list(self.weights.values())
