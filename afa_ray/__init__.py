"""afa_ray: text classifiers whose attention can be trusted (Adversarial Feedback for Attention).

Importing it makes trained models known to Hugging Face's Auto classes and pipelines;
`attention_row` reads the attention of an opened one; `load` opens any classifier to predict with it
and to explain what it says.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from afa_ray.importing import lasting

with lasting():
    from afa_ray import models
    from afa_ray.models.opened import attention_row

if TYPE_CHECKING:
    from afa_ray.classifier import Classifier, Explanation, load

__all__ = ["Classifier", "Explanation", "__version__", "attention_row", "load", "models"]

try:
    __version__ = version("afa_ray")
except PackageNotFoundError:  # a checkout that is not installed
    __version__ = "0.0.0"


def __getattr__(name: str) -> Any:
    """What takes long to import is imported when it is first used."""
    if name in ("Classifier", "Explanation", "load"):
        return getattr(import_module("afa_ray.classifier"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
