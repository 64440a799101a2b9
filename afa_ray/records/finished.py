"""A finished run, opened again: its model, and its data as the run had them."""

from __future__ import annotations

from pathlib import Path

from afa_ray.classifier import load
from afa_ray.config import Settings
from afa_ray.data.corpus import Corpus, prepare_corpus
from afa_ray.dotted import override
from afa_ray.models import AnyTarget, OwnTarget

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
        UserError: model or data that cannot be read.
    """
    from afa_ray.models.pretrained import PretrainedTarget  # imports models of transformers

    corpus = prepare_corpus(settings if fresh else override(settings, FRESH))
    model = load(run, device=device).model
    target = model if isinstance(model, OwnTarget) else PretrainedTarget(model)
    return target.eval(), corpus
