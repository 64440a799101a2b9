"""What gives the tokens of a text their scores: attention is the first of many."""

from afa_ray.explainers.asking import EXPLAINERS, explain, explained, scores
from afa_ray.explainers.attention import attention
from afa_ray.explainers.interface import CannotExplainError, Explained, Explainer

__all__ = [
    "EXPLAINERS",
    "CannotExplainError",
    "Explained",
    "Explainer",
    "attention",
    "explain",
    "explained",
    "scores",
]
