"""The models that a study (`tune.compare`) left, for the scripts of this folder."""

import json
from collections.abc import Iterator
from pathlib import Path

from transformers import AutoModelForSequenceClassification, PreTrainedModel

from afa_ray.config import Settings, override
from afa_ray.data.corpus import Corpus, prepare_corpus


def study_models(study: Path) -> Iterator[tuple[str, PreTrainedModel, Corpus]]:
    """The method of each run, its model, and the corpus, which is the same for all."""
    corpus = None
    for file in sorted(study.glob("runs/*/result.json")):
        settings = override(Settings(), json.loads(file.read_text())["settings"])
        unneeded = {"target.word2vec": False, "discriminator.word2vec": False}
        corpus = corpus or prepare_corpus(override(settings, unneeded))
        model = AutoModelForSequenceClassification.from_pretrained(file.parent / "model").eval()
        yield file.parent.name.rpartition("-seed")[0], model, corpus
