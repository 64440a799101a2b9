"""The learning rate in the course of a run."""

from __future__ import annotations

from typing import Literal

import torch


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


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr
