"""Players in the Hugging Face format: `config.json` and `model.safetensors`, and who opens them."""

from __future__ import annotations

from copy import deepcopy
from importlib import import_module
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedTokenizerFast,
)

from afa_ray.models.discriminator import DiscriminatorConfig
from afa_ray.models.encoded import EncodedConfig
from afa_ray.models.player import Player
from afa_ray.models.target import TargetConfig

ARCHITECTURES = {  # in hugging_face.py
    TargetConfig: "TargetForSequenceClassification",
    EncodedConfig: "EncodedForSequenceClassification",
    DiscriminatorConfig: "DiscriminatorModel",
}


class Opener:
    """Stands where an Auto class looks for a model class, and imports it for the first model."""

    def __init__(self, config_class: type[PretrainedConfig]) -> None:
        self.config_class = config_class
        self.__name__ = ARCHITECTURES[config_class]

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        model_class = getattr(import_module("afa_ray.models.hugging_face"), self.__name__)
        return getattr(model_class, attribute)


def register() -> None:
    """Make saved players known to the Auto classes of transformers."""
    AutoConfig.register(DiscriminatorConfig.model_type, DiscriminatorConfig)
    for config in (TargetConfig, EncodedConfig):
        AutoConfig.register(config.model_type, config)
        AutoTokenizer.register(config, fast_tokenizer_class=PreTrainedTokenizerFast)
        AutoModelForSequenceClassification.register(config, Opener(config))
    AutoModel.register(DiscriminatorConfig, Opener(DiscriminatorConfig))


def save_player(player: Player, folder: Path) -> None:
    """Write a player into `folder`, for the Auto classes to open."""
    config = deepcopy(player.config)
    config.architectures = [ARCHITECTURES[type(config)]]
    config.dtype = str(next(player.parameters()).dtype).removeprefix("torch.")
    config.save_pretrained(folder)
    weights = {name: weight.contiguous() for name, weight in player.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
