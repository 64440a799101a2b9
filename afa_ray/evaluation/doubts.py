"""What a finished run should not pass over in silence, in sentences for the user."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from afa_ray.evaluation.baseline import Baseline

EVEN = 0.99  # normalised entropy from which attention counts as even
CERTAIN = 2.0  # standard errors that a difference of accuracy must exceed to be more than noise


def doubts(
    labels: np.ndarray,
    predictions: np.ndarray,
    names: Sequence[str],
    baseline: Baseline,
    evenness: float | None,
) -> list[str]:
    """Sentences on a classifier that says one class only, is worse than a bag of words, or whose
    attention is even (`evaluation.evenness`).

    Args:
        labels, predictions: (N,) class numbers; names: of the classes.
    """
    found = []
    said = np.unique(predictions)
    if len(said) == 1 and len(np.unique(labels)) > 1:
        found.append(
            f"The model gives all {len(labels):,} texts the class {names[said[0]]}: it has learnt "
            "nothing. Train longer (train.epochs, train.patience 0) or with a larger "
            "train.target_lr."
        )
    right, other = predictions == labels, baseline.predictions == labels
    difference = float(other.mean() - right.mean())
    if difference > CERTAIN * standard_error(right, other):
        found.append(
            f"The model's accuracy is {difference:.3f} below that of a bag of words "
            f"({baseline.name}). {_advice(len(said))}"
        )
    if evenness is not None and evenness >= EVEN:
        found.append(
            f"Attention is nearly even (normalised entropy {evenness:.3f}; 1 is the same weight on "
            "every token): at most the order of its weights explains something. The preset "
            "explainable is made for that."
        )
    return found


def standard_error(one: np.ndarray, other: np.ndarray) -> float:
    """Of the difference between two accuracies on the same N texts, each (N,) bool: from the texts
    that only one of both has right (McNemar)."""
    each = one.astype(np.float64) - other
    return float(each.std()) / math.sqrt(max(1, len(each)))


def _advice(classes: int) -> str:
    if classes == 1:
        return "Until that is mended, the bag of words is the better classifier."
    return (
        "Train longer (train.epochs, train.patience), try another train.target_lr, or take a "
        "pretrained model (target.name); else the bag of words is the better classifier."
    )
