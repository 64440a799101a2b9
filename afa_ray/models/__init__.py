"""The two players. Importing this package registers both with the Hugging Face Auto classes."""

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedTokenizerFast,
)

from afa_ray.models.discriminator import Discriminator, DiscriminatorConfig
from afa_ray.models.pretrained import PretrainedTarget
from afa_ray.models.target import Target, TargetConfig

__all__ = [
    "AnyTarget",
    "Discriminator",
    "DiscriminatorConfig",
    "PretrainedTarget",
    "Target",
    "TargetConfig",
]

AnyTarget = Target | PretrainedTarget

AutoConfig.register(TargetConfig.model_type, TargetConfig)
AutoModelForSequenceClassification.register(TargetConfig, Target)
AutoTokenizer.register(TargetConfig, fast_tokenizer_class=PreTrainedTokenizerFast)
AutoConfig.register(DiscriminatorConfig.model_type, DiscriminatorConfig)
AutoModel.register(DiscriminatorConfig, Discriminator)
