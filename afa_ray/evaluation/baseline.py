"""What a bag of words reaches on the same texts: TF-IDF with logistic regression.

Its terms are the corpus's own tokens, wherever the texts came from: words for the single layer,
pieces for a pretrained model. Simplified, so that it takes seconds: of a large corpus it reads a
stratified part, and of many terms the most frequent.
"""

from __future__ import annotations

import hashlib
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from afa_ray.data.corpus import Corpus
from afa_ray.data.packed import PackedTexts
from afa_ray.data.sample import sample
from afa_ray.data.tokenizer import special_ids
from afa_ray.evaluation.classification import classification_metrics

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

TEXTS, TOKENS = 20_000, 2_000_000  # most training texts, and tokens in them, that are read
COEFFICIENTS = 400_000  # most terms times classes
AT_ONCE = 2048  # texts judged at a time
CANDIDATES = (("words", 1, 1.0), ("words and word pairs", 2, 10.0))  # name, longest term, C


@dataclass(frozen=True)
class Baseline:
    """The better of `CANDIDATES` on the validation texts: its name, its (N,) predicted classes of
    the test texts, how many training texts it has read, and the seconds all of it took."""

    name: str
    predictions: np.ndarray
    texts: int
    seconds: float

    def figures(self, labels: np.ndarray) -> dict[str, Any]:
        """For `result.json`; `labels` (N,) are those of the test texts."""
        found = classification_metrics(labels, self.predictions)
        return {
            "name": self.name,
            "accuracy": found["accuracy"],
            "macro_f1": found["macro_f1"],
            "texts": self.texts,
            "seconds": self.seconds,
        }


_found: dict[bytes, Baseline] = {}  # of the corpora that this process has seen


def bag_of_words(corpus: Corpus) -> Baseline:
    """Fit on training texts, choose on validation, predict test; once a corpus in a process."""
    key = _digest(corpus)
    if key not in _found:
        _found[key] = _fit(corpus)
    return _found[key]


def _fit(corpus: Corpus) -> Baseline:
    began = time.perf_counter()
    special = special_ids(corpus.tokenizer)
    fitting = int(TOKENS / max(1.0, corpus.train.lengths.mean()))
    train = sample(corpus.train, max(1, min(TEXTS, fitting)), seed=0)
    most = max(1, COEFFICIENTS // len(corpus.label_names))
    fitted = {}
    for name, longest, inverse_penalty in CANDIDATES:
        model = _classifier(longest, inverse_penalty, most)
        _fit_quietly(model, list(_words(train, special)), train.labels)
        right = _predict(model, corpus.validation, special) == corpus.validation.labels
        fitted[name] = float(right.mean()), model
    best = max(fitted, key=lambda name: fitted[name][0])
    return Baseline(
        name=f"TF-IDF of {best}, logistic regression",
        predictions=_predict(fitted[best][1], corpus.test, special),
        texts=len(train),
        seconds=round(time.perf_counter() - began, 3),
    )


def _fit_quietly(model: Pipeline, words: list[list[int]], labels: np.ndarray) -> None:
    """Some rounds short of the optimum are good enough: accuracy no longer moves there."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(words, labels)


def _classifier(longest: int, inverse_penalty: float, most: int) -> Pipeline:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    def terms(words: list[int]) -> list[tuple[int, ...]]:
        found: list[tuple[int, ...]] = [(word,) for word in words]
        return found if longest == 1 else [*found, *pairwise(words)]

    return make_pipeline(
        TfidfVectorizer(analyzer=terms, token_pattern=None, max_features=most, dtype=np.float32),
        LogisticRegression(C=inverse_penalty, max_iter=200),
    )


def _words(texts: PackedTexts, special: tuple[int, ...]) -> Iterator[list[int]]:
    """Each text's ids without the special tokens."""
    words, offsets = texts.words(special)
    for begin, end in pairwise(offsets):
        yield words[begin:end].tolist()


def _predict(model: Pipeline, texts: PackedTexts, special: tuple[int, ...]) -> np.ndarray:
    """(N,) classes, a few texts at a time."""
    parts = np.split(np.arange(len(texts)), range(AT_ONCE, len(texts), AT_ONCE))
    return np.concatenate(
        [model.predict(list(_words(texts.take(part), special))) for part in parts]
    )


def _digest(corpus: Corpus) -> bytes:
    """Of all that the baseline depends on."""
    found = hashlib.blake2b(repr(special_ids(corpus.tokenizer)).encode())
    for part in (corpus.train, corpus.validation, corpus.test):
        for array in (part.tokens, part.offsets, part.labels):
            found.update(np.ascontiguousarray(array).data)
    return found.digest()
