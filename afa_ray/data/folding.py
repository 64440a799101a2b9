"""Whether a user's texts are read with their case and accents: decided from what tells their
classes apart.

Folding makes few texts go further, since "The" and "the" share what is learnt; but where "US" and
"us", or "schön" and "schon", stand in different classes, it takes away what there was to learn. So
a naive Bayes classifier over the words of some training texts is cross-validated with and without,
and texts are folded unless it is clearly better without.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from afa_ray.data.reading import Reading, pre_tokenizer
from afa_ray.data.texts import Texts

if TYPE_CHECKING:  # it takes long to import
    from scipy.sparse import csr_matrix

SAMPLE = 1_500  # texts that are looked at
CHARACTERS = 3_000  # of each of them
FOLDS = 5
SMOOTHING = 0.3  # added to the number of a class's texts that have a word
GAIN = 0.01  # least gain in the mean of the classes' accuracies, and
DEVIATIONS = 3.0  # in standard deviations, for which case or accents are kept


def decide_reading(
    texts: Texts, lowercase: bool | None, strip_accents: bool | None
) -> tuple[Reading, list[str]]:
    """How training texts are read where a setting is None, and notes that say what was decided.

    The same texts and settings give the same answer.
    """
    options = [
        Reading(case, accents) for case, accents in product(_open(lowercase), _open(strip_accents))
    ]
    folded = options[0]
    if len(options) == 1 or len(texts) < 2 * FOLDS:
        return folded, []
    sample = texts.take(_sample(len(texts)))
    counts, words = _words_of(list(sample.texts))
    different: dict[tuple[str, ...], Reading] = {}
    for option in options:
        different.setdefault(tuple(map(option.normalizer().normalize_str, words)), option)
    if len(different) == 1:
        return folded, []
    right = {
        option: _right(counts, as_read, sample.labels) for as_read, option in different.items()
    }
    chosen = folded
    for option in right:
        if clearly_better(sample.labels, right[option], right[chosen]):
            chosen = option
    return chosen, [_note(chosen, {option: float(r.mean()) for option, r in right.items()})]


def clearly_better(labels: np.ndarray, new: np.ndarray, old: np.ndarray) -> bool:
    """McNemar's test on the same texts, every class counting alike.

    Args:
        labels, new, old: (N,) classes, and whether each text was classified rightly.
    """
    gain, variance = 0.0, 0.0
    classes = np.unique(labels)
    for label in classes:
        change = new[labels == label].astype(int) - old[labels == label]
        gain += change.mean() / len(classes)
        variance += np.abs(change).sum() / (len(change) * len(classes)) ** 2
    return gain >= GAIN and gain >= DEVIATIONS * variance**0.5


def _open(setting: bool | None) -> Sequence[bool]:
    return (True, False) if setting is None else (setting,)


def _sample(count: int) -> np.ndarray:
    """Up to SAMPLE row numbers, ascending."""
    return np.sort(np.random.default_rng(0).permutation(count)[:SAMPLE])


def _words_of(texts: Sequence[str]) -> tuple[csr_matrix, list[str]]:
    """(N, W) 1 where a text has a word, and the W words as they are written."""
    from scipy.sparse import csr_matrix

    normalizer, splitter = Reading(False, False).normalizer(), pre_tokenizer()
    numbers: dict[str, int] = {}
    rows, columns = [], []
    for row, text in enumerate(texts):
        words = splitter.pre_tokenize_str(normalizer.normalize_str(text[:CHARACTERS]))
        for word in dict.fromkeys(word for word, _ in words):
            rows.append(row)
            columns.append(numbers.setdefault(word, len(numbers)))
    shape = (len(texts), len(numbers))
    return csr_matrix((np.ones(len(rows)), (rows, columns)), shape), list(numbers)


def _right(counts: csr_matrix, as_read: Sequence[str], labels: np.ndarray) -> np.ndarray:
    """(N,) whether naive Bayes over the W words `as_read` classifies each text rightly, unseen."""
    from scipy.sparse import csr_matrix
    from sklearn.model_selection import KFold, cross_val_predict
    from sklearn.naive_bayes import MultinomialNB

    numbers: dict[str, int] = {}
    columns = [numbers.setdefault(word, len(numbers)) for word in as_read]
    folding = csr_matrix((np.ones(len(columns)), (np.arange(len(columns)), columns)))
    folded = (counts @ folding).sign()
    folds = KFold(FOLDS, shuffle=True, random_state=0)
    return cross_val_predict(MultinomialNB(alpha=SMOOTHING), folded, labels, cv=folds) == labels


def _note(chosen: Reading, accuracy: dict[Reading, float]) -> str:
    """What was decided and why; only of what makes a difference to the texts."""
    case, accents = (
        len({getattr(r, x) for r in accuracy}) > 1 for x in ("lowercase", "strip_accents")
    )
    first, *others = accuracy
    other = max(others, key=lambda r: accuracy[r]) if chosen == first else first

    def words(reading: Reading) -> str:
        parts = ["in lower case" if reading.lowercase else "with their case"] * case
        parts += ["without accents" if reading.strip_accents else "with their accents"] * accents
        return " and ".join(parts)

    settings = [f"data.lowercase = {str(chosen.lowercase).lower()}"] * case
    settings += [f"data.strip_accents = {str(chosen.strip_accents).lower()}"] * accents
    return (
        f"texts are read {words(chosen)} ({', '.join(settings)}): so a bag of words finds the "
        f"class of {accuracy[chosen]:.1%} of the training texts, {words(other)} of "
        f"{accuracy[other]:.1%}"
    )
