"""How weights are changed: the optimiser, its learning rate in the course of a run, averaging."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import nn


def learning_rate_factor(
    step: int, total: int, schedule: Literal["constant", "linear"], warmup: int
) -> float:
    """What the learning rate of update number `step` (from 0) is multiplied with.

    It rises in equal steps to 1 at the last of `warmup` updates. `linear` then falls in equal steps
    and would be 0 at update number `total`; `constant` stays.
    """
    if step < warmup:
        return (step + 1) / warmup
    if schedule == "constant":
        return 1.0
    return max(0.0, (total - step) / max(1, total - warmup))


def trainable(module: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def adam(module: nn.Module, lr: float) -> torch.optim.Adam:
    return torch.optim.Adam(trainable(module), lr=lr, fused=True)


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr


def synchronising(module: Any, now: bool) -> AbstractContextManager[None]:
    """Replicas average their gradients with the last part of an update only."""
    return nullcontext() if now or not hasattr(module, "no_sync") else module.no_sync()
