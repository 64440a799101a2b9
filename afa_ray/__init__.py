"""afa_ray: text classifiers whose attention can be trusted (Adversarial Feedback for Attention).

Importing it makes trained models known to Hugging Face's Auto classes and pipelines;
`attention_row` reads the attention of an opened one.
"""

from importlib.metadata import PackageNotFoundError, version

from afa_ray import models
from afa_ray.models.opened import attention_row

__all__ = ["__version__", "attention_row", "models"]

try:
    __version__ = version("afa_ray")
except PackageNotFoundError:  # a checkout that is not installed
    __version__ = "0.0.0"
