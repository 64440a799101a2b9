"""The two players. Importing this package registers both with the Hugging Face Auto classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from afa_ray.models.discriminator import Discriminator, DiscriminatorConfig
from afa_ray.models.encoded import EncodedConfig, EncodedTarget
from afa_ray.models.own_target import OwnTarget
from afa_ray.models.saving import register, save_player
from afa_ray.models.target import Target, TargetConfig
from afa_ray.models.target_judge import TargetJudge

if TYPE_CHECKING:
    from afa_ray.models.pretrained import PretrainedTarget

__all__ = [
    "AnyTarget",
    "Discriminator",
    "DiscriminatorConfig",
    "EncodedConfig",
    "EncodedTarget",
    "OwnTarget",
    "Target",
    "TargetConfig",
    "TargetJudge",
    "save_player",
]

AnyTarget: TypeAlias = "OwnTarget | PretrainedTarget"

register()
