"""A finished run, opened again: its model, and its data as the run had them. Or another model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from afa_ray.classifier import Classifier, load
from afa_ray.config import Settings
from afa_ray.data.corpus import Corpus, prepare_corpus, read_raw
from afa_ray.data.messages import listed
from afa_ray.data.packed import pack
from afa_ray.dotted import override
from afa_ray.errors import UserError
from afa_ray.models import AnyTarget, OwnTarget
from afa_ray.records.fingerprints import require_same_corpus

FRESH = {  # what a Target that is not trained yet starts with
    "target.word2vec": False,
    "target.vectors": None,
    "target.bag_of_words": False,
}


def open_finished(
    run: Path, settings: Settings, device: str | None, fresh: bool = False
) -> tuple[AnyTarget, Corpus]:
    """The Target in eval mode, on the device, and the corpus.

    Args:
        settings: the run's. device: see `load`.
        fresh: the corpus has what a fresh Target starts with, too.

    Raises:
        UserError: model or data that cannot be read, or data that have changed since.
    """
    corpus = prepare_corpus(settings if fresh else override(settings, FRESH))
    require_same_corpus(corpus, run)
    return _target(load(run, device=device)), corpus


def open_given(name: str, settings: Settings, device: str | None) -> tuple[AnyTarget, Corpus]:
    """A classifier that no run has to have made, in eval mode, and the test texts of the settings'
    data, with its classes in its order.

    Args:
        name: a folder, or an id on the hub. settings: `data` is used here. device: see `load`.

    Raises:
        UserError: model or data that cannot be read, or that are not made for each other.
    """
    classifier, raw = load(name, device=device), read_raw(settings)
    labels = list(classifier.labels)
    if others := sorted({*raw.label_names} - {*labels}):
        raise UserError(
            f"{name}: has the classes {listed(labels)}, and the data {listed(others)}; give data "
            "whose labels are those of the model"
        )
    if classifier.reads_queries != (raw.test.queries is not None):
        reads = "reads each text for a query" if classifier.reads_queries else "reads no queries"
        raise UserError(f"{name}: {reads}; see data.query_column")
    number = np.array([labels.index(label) for label in raw.label_names])
    longest = min(classifier.max_length, settings.data.max_length)
    texts = replace(raw.test, labels=number[raw.test.labels])
    test = pack(texts, classifier.tokenizer, longest)
    corpus = Corpus(
        name=raw.name,
        label_names=labels,
        tokenizer=classifier.tokenizer,
        train=test,
        validation=test,
        test=test,
        vectors=None,
        notes=raw.notes,
        max_length=longest,
    )
    return _target(classifier), corpus


def _target(classifier: Classifier) -> AnyTarget:
    from afa_ray.models.pretrained import PretrainedTarget  # imports models of transformers

    model = classifier.model
    return (model if isinstance(model, OwnTarget) else PretrainedTarget(model)).eval()
