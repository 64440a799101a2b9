"""What each word says for each class: TF-IDF with logistic regression, fitted to packed texts."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from afa_ray.data.packed import PackedTexts

INVERSE_PENALTIES = (30.0, 10.0, 3.0, 1.0)
FOLDS, REPEATS = 5, 2  # of the cross-validation that chooses among them
JUDGED = 1_000  # most texts of it
EPSILON = 1e-12


def word_evidence(
    texts: PackedTexts, special_ids: tuple[int, ...], shape: tuple[int, int]
) -> np.ndarray:
    """What each word says for each class: idf times its weight in a logistic regression.

    Its penalty is chosen by cross-validation on these texts. What it says before any word is read,
    its intercept, is said by the token that ends every text, in the unit of the others' mean: mean
    over a text plus that of its end is in the mean of these texts as large as the decision.

    Args:
        texts: of two classes at least.
        special_ids: tokens that are no words, and say nothing.
        shape: V and C.

    Returns:
        (V, C) float32; 0 for words and classes that do not occur.
    """
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import LogisticRegression

    (vocab_size, classes), labels = shape, texts.labels
    words, offsets = texts.words(special_ids)
    counts = csr_matrix((np.ones(len(words)), words, offsets), shape=(len(texts), vocab_size))
    counts.sum_duplicates()
    weigh = TfidfTransformer(sublinear_tf=True)
    weighed = weigh.fit_transform(counts)
    model = LogisticRegression(C=_penalty(weighed, labels), max_iter=300).fit(weighed, labels)
    weights, prior = model.coef_, model.intercept_
    if len(weights) == 1:  # two classes: one row, for the second
        weights, prior = np.concatenate([-weights, weights]) / 2, np.append(-prior, prior) / 2
    said = (weights * weigh.idf_).T
    means = counts @ said / texts.lengths[:, None]
    unit = np.linalg.norm(means) / np.maximum(np.linalg.norm(weighed @ weights.T), EPSILON)
    evidence = np.zeros((vocab_size, classes), np.float32)
    evidence[:, model.classes_] = said
    evidence[texts.tokens[-1], model.classes_] = prior * unit
    return evidence


def _penalty(weighed: Any, labels: np.ndarray) -> float:
    """The most accurate of them in cross-validation."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score

    some = np.random.default_rng(0).permutation(len(labels))[:JUDGED]
    weighed, labels = weighed[some], labels[some]
    if np.sort(np.bincount(labels))[-2] < FOLDS:
        return INVERSE_PENALTIES[0]  # too few texts to tell
    folds = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=0)

    def accuracy(penalty: float) -> float:
        model = LogisticRegression(C=penalty, max_iter=300)
        return float(cross_val_score(model, weighed, labels, cv=folds).mean())

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # classes of fewer texts than folds
        return max(INVERSE_PENALTIES, key=accuracy)
