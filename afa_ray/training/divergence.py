"""Training that has left the finite numbers stops at once, and says what to change."""

from __future__ import annotations

import math
from collections.abc import Mapping

from afa_ray.config import TrainSettings
from afa_ray.errors import DivergedError


def require_finite(figures: Mapping[str, float], step: int, train: TrainSettings) -> None:
    """Every loss among the `figures` of an interval that ends with update `step` is a number.

    Raises:
        DivergedError: one is not.
    """
    broken = [n for n, x in figures.items() if "loss" in n and not math.isfinite(x)]
    if broken:
        name = "train/loss_d" if "train/loss_d" in broken else broken[0]
        player = "discriminator" if name == "train/loss_d" else "target"
        raise diverged(f"{name} is {figures[name]} after {step:,} updates", player, train)


def diverged(what: str, player: str, train: TrainSettings) -> DivergedError:
    """The error that says `what` is not finite, and which learning rate to lower."""
    rate = getattr(train, f"{player}_lr")
    more = " or train.max_grad_norm 1" if player == "target" and not train.max_grad_norm else ""
    return DivergedError(
        f"{what}: training has diverged, and no model is saved. Give another run.name and a "
        f"smaller train.{player}_lr than {rate:g}, say {rate / 10:.2g}{more}"
    )
