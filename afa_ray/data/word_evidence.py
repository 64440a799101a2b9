"""What each word says for each class: TF-IDF with logistic regression, fitted to packed texts."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

INVERSE_PENALTIES = (1.0, 3.0, 10.0)  # weaker ones leave nothing to learn: all texts are certain
FOLDS, JUDGED = 3, 2_000  # parts, and most texts, of the cross-validation that chooses among them
NEAR = 0.005  # how much accuracy a stronger penalty may cost


def word_evidence(
    tokens: np.ndarray,
    offsets: np.ndarray,
    labels: np.ndarray,
    special_ids: tuple[int, ...],
    shape: tuple[int, int],
) -> np.ndarray:
    """What each word says for each class: idf times its weight in a logistic regression.

    Its penalty is chosen by cross-validation on these texts.

    Args:
        tokens: (T,) of packed texts; offsets: (N + 1,); labels: (N,), of two classes at least.
        special_ids: tokens that are no words, and say nothing.
        shape: V and C.

    Returns:
        (V, C) float32; 0 for words and classes that do not occur.
    """
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import LogisticRegression

    vocab_size, classes = shape
    is_word = ~np.isin(tokens, special_ids)
    texts = np.repeat(np.arange(len(labels)), np.diff(offsets))[is_word]
    places = (texts, tokens[is_word])
    counts = csr_matrix((np.ones(len(texts)), places), shape=(len(labels), vocab_size))
    weigh = TfidfTransformer(sublinear_tf=True)
    weighed = weigh.fit_transform(counts)
    model = LogisticRegression(C=_penalty(weighed, labels), max_iter=300).fit(weighed, labels)
    weights = model.coef_
    if len(weights) == 1:  # two classes: one row, for the second
        weights = np.concatenate([-weights, weights]) / 2
    evidence = np.zeros((vocab_size, classes), np.float32)
    evidence[:, model.classes_] = (weights * weigh.idf_).T
    return evidence


def _penalty(weighed: Any, labels: np.ndarray) -> float:
    """The strongest penalty that is about as accurate as any, in cross-validation."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    some = np.random.default_rng(0).permutation(len(labels))[:JUDGED]
    weighed, labels = weighed[some], labels[some]
    if np.sort(np.bincount(labels))[-2] < FOLDS:
        return INVERSE_PENALTIES[-1]  # too few texts to tell
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # classes of fewer texts than folds
        scores = [
            cross_val_score(
                LogisticRegression(C=penalty, max_iter=300), weighed, labels, cv=folds
            ).mean()
            for penalty in INVERSE_PENALTIES
        ]
    return next(
        p for p, s in zip(INVERSE_PENALTIES, scores, strict=True) if s >= max(scores) - NEAR
    )
