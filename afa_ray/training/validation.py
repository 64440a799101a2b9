"""What an epoch has come to: figures of the validation texts, which the workers share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from afa_ray.config import TrainSettings
from afa_ray.data.corpus import Corpus
from afa_ray.data.tokenizer import special_ids
from afa_ray.evaluation.classification import classification_metrics
from afa_ray.evaluation.deletion import DELETION, DeletionCurve
from afa_ray.evaluation.one_pass import figure
from afa_ray.evaluation.prediction import predict
from afa_ray.models import AnyTarget
from afa_ray.models.sharding import is_sharded
from afa_ray.training.divergence import diverged
from afa_ray.training.session import Session


def validated(
    target: AnyTarget, corpus: Corpus, train: TrainSettings, session: Session, step: int
) -> dict[str, float]:
    """Figures `val/…` after update `step`; `val/score` decides which epoch is the best.

    A sharded Target takes all workers for every text: each then does all of it.

    Raises:
        DivergedError: logits that are not finite.
    """
    texts = corpus.validation
    if is_sharded(target):
        session = replace(session, rank=0, workers=1, add_up=lambda tensor: tensor)
    share: dict[str, Any] = {"rank": session.rank, "workers": session.workers}
    predictions = predict(target, texts, **share)
    session.add_up(predictions)
    if (predictions < 0).any():
        what = f"after {step:,} updates the Target's logits are not finite"
        raise diverged(what, "target", train)
    figures = classification_metrics(texts.labels, predictions.cpu().numpy())
    figures["score"] = figures["accuracy"]
    if train.deletion_weight:
        special = special_ids(corpus.tokenizer)
        curve: DeletionCurve = figure(
            target, texts, special, train.seed, DELETION, add_up=session.add_up, **share
        )
        figures["normalized_area"] = curve.normalized_area
        figures["score"] -= train.deletion_weight * curve.normalized_area
    return {f"val/{name}": value for name, value in figures.items()}
