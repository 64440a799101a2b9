"""The players as transformers knows them, for whoever opens a saved one.

Training does without this file: what it takes from transformers imports for longer than PyTorch.
"""

from __future__ import annotations

from transformers import PreTrainedModel

from afa_ray.models.discriminator import Discriminator, DiscriminatorConfig
from afa_ray.models.encoded import EncodedConfig, EncodedTarget
from afa_ray.models.target import Target, TargetConfig


class TargetForSequenceClassification(Target, PreTrainedModel):
    """A `Target` with all that a model of transformers can do."""

    config: TargetConfig
    config_class = TargetConfig
    base_model_prefix = "target"

    def __init__(self, config: TargetConfig) -> None:
        PreTrainedModel.__init__(self, config)
        self.make_parts()
        PreTrainedModel.post_init(self)

    @property
    def target(self) -> TargetForSequenceClassification:
        """What `base_model_prefix` names: embeddings and layers are the classifier's own."""
        return self


class EncodedForSequenceClassification(EncodedTarget, PreTrainedModel):
    """An `EncodedTarget` with all that a model of transformers can do."""

    config: EncodedConfig
    config_class = EncodedConfig
    base_model_prefix = "encoded"

    def __init__(self, config: EncodedConfig) -> None:
        PreTrainedModel.__init__(self, config)
        self.make_parts()
        PreTrainedModel.post_init(self)

    @property
    def encoded(self) -> EncodedForSequenceClassification:
        """What `base_model_prefix` names, see `TargetForSequenceClassification`."""
        return self


class DiscriminatorModel(Discriminator, PreTrainedModel):
    """A `Discriminator` with all that a model of transformers can do."""

    config: DiscriminatorConfig
    config_class = DiscriminatorConfig
    base_model_prefix = "discriminator"

    def __init__(self, config: DiscriminatorConfig) -> None:
        PreTrainedModel.__init__(self, config)
        self.make_parts()
        PreTrainedModel.post_init(self)
