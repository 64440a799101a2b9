"""`python -m studies.evidence.bag_of_words --data.name NAME`: regression over the words of a text.

What can be had without attention, order or training by gradient: TF-IDF weights of the same words,
from the same training texts, with the inverse penalty that validation prefers.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix

from afa_ray.command_line import Command, run_command
from afa_ray.complaints import complaints
from afa_ray.config import Settings
from afa_ray.data.corpus import prepare_corpus
from afa_ray.data.packed import PackedTexts
from afa_ray.dotted import override

BAG_OF_WORDS = Command(
    "studies.evidence.bag_of_words",
    "Accuracy of logistic regression over the words of a data set, as a baseline.",
    Settings,
    complaints,
)
INVERSE_PENALTIES = (1.0, 3.0, 10.0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0, or 2 after a mistake of the user's."""
    return run_command(BAG_OF_WORDS, show, sys.argv[1:] if arguments is None else arguments)


def show(settings: Settings) -> int:
    validation, test = accuracy(
        override(settings, {"target.word2vec": False, "target.bag_of_words": False})
    )
    print(f"{settings.data.name}: accuracy {test:.4f} on test, {validation:.4f} on validation")
    return 0


def accuracy(settings: Settings) -> tuple[float, float]:
    """On validation and on test; a penalty is chosen by the former.

    Raises:
        UserError: data that is missing or unusable.
    """
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    corpus = prepare_corpus(settings)
    train, validation, test = (
        counts(texts, len(corpus.tokenizer))
        for texts in (corpus.train, corpus.validation, corpus.test)
    )
    found = []
    for penalty in INVERSE_PENALTIES:
        model = make_pipeline(
            TfidfTransformer(sublinear_tf=True), LogisticRegression(C=penalty, max_iter=300)
        )
        model.fit(train, corpus.train.labels)
        found.append(
            (
                model.score(validation, corpus.validation.labels),
                model.score(test, corpus.test.labels),
            )
        )
    return max(found, key=lambda both: both[0])


def counts(texts: PackedTexts, words: int) -> csr_matrix:
    """(N, V): how often each text has each word, in one entry: TF-IDF looks at each by itself."""
    ones = np.ones(len(texts.tokens))
    found = csr_matrix((ones, texts.tokens, texts.offsets), shape=(len(texts), words))
    found.sum_duplicates()
    return found


if __name__ == "__main__":
    sys.exit(main())
