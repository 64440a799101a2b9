"""The models that a study (`tune.compare`) left, for `orders` and `right_or_wrong`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from transformers import AutoModelForSequenceClassification

from afa_ray.config import Settings
from afa_ray.data.corpus import Corpus, prepare_corpus
from afa_ray.dotted import override
from afa_ray.models.target import Target


def study_models(study: Path) -> Iterator[tuple[str, Target, Corpus]]:
    """The method of each run, its model, and the corpus, which is the same for all."""
    corpus = None
    for file in sorted(study.glob("runs/*/result.json")):
        settings = override(Settings(), json.loads(file.read_text())["settings"])
        corpus = corpus or prepare_corpus(override(settings, {"target.word2vec": False}))
        model = AutoModelForSequenceClassification.from_pretrained(file.parent / "model").eval()
        yield file.parent.name.rpartition("-seed")[0], model, corpus
