"""The objectives that settings ask for, on players that are there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from torch import Tensor

from afa_ray.config import Settings
from afa_ray.models import AnyTarget, Discriminator
from afa_ray.models.updating import Wrap
from afa_ray.objectives.adversarial import Adversarial
from afa_ray.objectives.interface import Weighed
from afa_ray.objectives.judges import AverageAsJudge, Judge, TargetAsJudge, TrainedJudge


def build_objectives(
    settings: Settings,
    target: AnyTarget,
    discriminator: Discriminator | AnyTarget | None,
    *,
    wrap: Wrap = lambda module: module,
    add_up: Callable[[Tensor], object] = lambda tensor: tensor,
    pad_id: int,
    **game: Any,
) -> list[Weighed]:
    """Adversarial feedback, unless `afa.lambda_adv` is 0: then none.

    Args:
        target, discriminator: on their device; without a discriminator the Target is its own judge.
        wrap: applied to what an objective trains itself (DistributedDataParallel).
        add_up: sums a tensor over workers, in place; by default there is one.
        pad_id, and `special_ids`, `mask_id` and `device` as `game`: see `Adversarial`.
    """
    if not settings.afa.lambda_adv:
        return []
    judge: Judge
    if discriminator is None:
        judge = TargetAsJudge(target)
    elif settings.discriminator.judge == "average":
        judge = AverageAsJudge(target, cast("AnyTarget", discriminator))
    else:
        judge = TrainedJudge(settings, discriminator, pad_id, wrap)
    adversarial = Adversarial(settings, judge, pad_id=pad_id, add_up=add_up, **game)
    return [Weighed(adversarial, settings.afa.lambda_adv)]
