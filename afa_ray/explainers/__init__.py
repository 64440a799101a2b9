"""What a model looked at: one score a token."""

from afa_ray.explainers.interface import Explainer, attention

__all__ = ["Explainer", "attention"]
