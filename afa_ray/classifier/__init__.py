"""A trained model in use: `load` it, predict, and see what it looked at."""

from afa_ray.classifier.classify import Classifier
from afa_ray.classifier.explanation import Explanation
from afa_ray.classifier.opening import load

__all__ = ["Classifier", "Explanation", "load"]
