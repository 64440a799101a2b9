"""A Target that starts where a bag of words ends: what each word says for each class.

Fitted by gradient from random weights, a few hundred texts teach a Transformer less than they teach
TF-IDF with logistic regression. So that regression is fitted first, and its weights of words are
put into the word vectors, in as many directions as there are classes, from which values and
classifier read them: with the even attention of the start, the decision is about that of the bag of
words. Nothing else is added: attention is still the only way from words to decision, every weight
is trained on, and what a word says may be said louder by looking at it.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from afa_ray.models.target import Target
from afa_ray.models.word2vec import INITIAL_SCALE

INVERSE_PENALTIES = (1.0, 3.0, 10.0)  # weaker ones leave nothing to learn: all texts are certain
FOLDS, JUDGED = 3, 2_000  # parts, and most texts, of the cross-validation that chooses among them
NEAR = 0.005  # how much accuracy a stronger penalty may cost
LOUDNESS = 3.0  # size of the evidence in the mean of a text's words, in `INITIAL_SCALE`
SLOPE = 0.3  # of the first logits
SAMPLE = 1_000  # texts that the evidence is measured on


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


@torch.no_grad()
def begin_with(
    target: Target, evidence: np.ndarray, tokens: np.ndarray, offsets: np.ndarray, seed: int
) -> None:
    """Have a fresh Target decide by `evidence` (V, C), as it is found in packed training texts.

    With U (d, C) random orthonormal directions: word vectors lose what they have along U and get
    evidence U^T; values pass through unchanged; the classifier is U^T.
    """
    offsets = offsets[: SAMPLE + 1]
    lengths = np.diff(offsets)[:, None]
    means = np.add.reduceat(evidence[tokens[: offsets[-1]]], offsets[:-1]) / lengths
    size = float(np.sqrt((means**2).sum(1).mean() / target.config.hidden_size))
    if not size:
        return  # no word says anything
    directions = _directions(target.config.hidden_size, evidence.shape[1], seed)
    for table in (target.words.weight, target.positions.weight):
        table -= table @ directions @ directions.T
    loudness = LOUDNESS * INITIAL_SCALE / size
    target.words.weight += loudness * torch.from_numpy(evidence) @ directions.T
    for layer in target.layers:
        attention = layer.self_attn
        values = attention.in_proj_weight.chunk(3)[2]
        for weight in (values, attention.out_proj.weight):
            torch.nn.init.eye_(weight)
    target.classifier.weight.copy_(SLOPE * directions.T)


def _directions(size: int, count: int, seed: int) -> Tensor:
    """(size, count) orthonormal columns; of unit length only, where they are more than `size`."""
    drawn = torch.randn(size, count, generator=torch.Generator().manual_seed(seed))
    return torch.linalg.qr(drawn)[0] if count <= size else drawn / drawn.norm(dim=0)
