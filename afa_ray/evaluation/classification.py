"""How often a classifier is right."""

from __future__ import annotations

import numpy as np


def classification_metrics(labels: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
    """Accuracy and macro-averaged precision, recall and F1 (classes never predicted count 0).

    The mean is over the classes that occur, as scikit-learn's, which takes longer to import than
    a validation.

    Args:
        labels, predictions: (N,) class numbers.
    """
    classes = np.union1d(labels, predictions)[:, None]
    is_label, is_predicted = labels == classes, predictions == classes  # (C, N)
    right = (is_label & is_predicted).sum(1)
    labelled, predicted = is_label.sum(1), is_predicted.sum(1)
    return {
        "accuracy": float((labels == predictions).mean()),
        "macro_precision": float((right / predicted.clip(1)).mean()),
        "macro_recall": float((right / labelled.clip(1)).mean()),
        "macro_f1": float((2 * right / (labelled + predicted)).mean()),
    }
