"""An audit's own questions: is the classifier right, what do explanations carry, do people agree?

Like the published tests in `audit`, but held against other explanations of the same model, on the
same texts, with intervals over texts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from afa_ray.data.packed import PackedTexts
from afa_ray.evaluation.agreement import agreement
from afa_ray.evaluation.audit import interval
from afa_ray.evaluation.classification import classification_metrics
from afa_ray.evaluation.deletion import DELETION
from afa_ray.evaluation.erasure import lost
from afa_ray.evaluation.one_pass import Scored, figure, scored
from afa_ray.evaluation.prediction import batches_on_device, predict
from afa_ray.explainers import EXPLAINERS, CannotExplainError, Explainer
from afa_ray.models import AnyTarget
from afa_ray.models.interface import AttentionModel, Inputs
from afa_ray.progress import Advance

METHODS = ("attention", "attention_ig", "layers_ig", "attn_lrp", "gae", "leave_one_out", "ig",
           "random")  # fmt: skip
"""Those that need no more than the model, and `random` to compare with."""
Texts = tuple[PackedTexts, tuple[int, ...]]
"""Texts, and the ids that are no part of them."""


class Comparison(NamedTuple):
    """A question of an audit.

    Attributes:
        run: (model in eval mode, texts, seed, advance) -> figures as JSON takes them; `advance` is
            told of every text and method.
        passes: of all texts.
        asks, high, low, source: see `audit.Test`.
    """

    run: Callable[[AnyTarget, Texts, int, Advance], dict[str, Any]]
    passes: int
    asks: str
    high: str
    low: str
    source: str


def run_classification(target: AnyTarget, of: Texts, seed: int, advance: Advance) -> dict[str, Any]:
    """How often the classifier is right, and how soon no more without what it attends to."""
    texts, special_ids = of
    predicted = predict(target, texts).cpu().numpy()
    curve = figure(target, texts, special_ids, seed, DELETION, advance=advance)
    return {
        "accuracy": interval((predicted == texts.labels).astype(float)),
        "macro_f1": classification_metrics(texts.labels, predicted)["macro_f1"],
        "normalized_area": curve.normalized_area,
    }


def run_explainers(target: AnyTarget, of: Texts, seed: int, advance: Advance) -> dict[str, Any]:
    """Comprehensiveness and sufficiency of every method, and what it costs."""
    found: dict[str, Any] = {}
    for method in METHODS:
        timed = Timed(EXPLAINERS[method])
        try:
            read = _read(timed, target, of, seed, advance)
            parts = [lost(target, batch, batch.scores) for batch in read]
        except CannotExplainError as error:
            found[method] = {"refused": str(error)}
            continue
        comprehensive, sufficient = torch.cat(parts, 1).cpu().numpy()
        found[method] = {
            "comprehensiveness": interval(comprehensive),
            "sufficiency": interval(sufficient),
            "seconds": round(timed.seconds / max(1, len(of[0])), 5),
        }
    return {"methods": found}


def run_plausibility(target: AnyTarget, of: Texts, seed: int, advance: Advance) -> dict[str, Any]:
    """How well every method tells marked words from others; nothing where nobody marked any."""
    found: dict[str, Any] = {}
    for method in METHODS if of[0].marks is not None else ():
        explainer = EXPLAINERS[method]
        try:
            agreed = [_agreed(batch) for batch in _read(explainer, target, of, seed, advance)]
        except CannotExplainError:
            continue
        auroc, precision = torch.cat(agreed, 1).cpu().numpy()
        found[method] = {
            name: interval(values[~np.isnan(values)])
            for name, values in (("auroc", auroc), ("average_precision", precision))
        }
    return {"methods": found}


class Timed:
    """An explainer that knows how many seconds it took."""

    def __init__(self, explainer: Explainer) -> None:
        self._explain, self.seconds = explainer, 0.0

    def __call__(self, model: AttentionModel, inputs: Inputs, classes: Tensor) -> Tensor:
        began = time.perf_counter()
        scores = self._explain(model, inputs, classes)
        if scores.is_cuda:
            torch.cuda.synchronize()
        self.seconds += time.perf_counter() - began
        return scores


def _agreed(batch: Scored) -> Tensor:
    assert batch.marked is not None
    return torch.stack(agreement(batch.scores, batch.marked, batch.maskable))


def _read(
    explainer: Explainer, target: AnyTarget, of: Texts, seed: int, advance: Advance
) -> Iterator[Scored]:
    texts, special_ids = of
    for examples, tokens in batches_on_device(texts, target, advance=advance):
        yield scored(target, texts, examples, tokens, special_ids, seed, explainer)


COMPARISONS: dict[str, Comparison] = {
    "classification": Comparison(
        run_classification,
        1,
        "Is the classifier right, and how soon no more without the words that it attends to?",
        "it is right, and stays so whatever attention names",
        "it is often wrong, or soon so without the words that attention names, which it needs",
        "accuracy; accuracy while words are deleted",
    ),
    "explainers": Comparison(
        run_explainers,
        len(METHODS),
        "Does the decision go with the words that attention names, and that others name?",
        "it goes with them, and the explanation is true to the model",
        "it stands without them, and the explanation shows something else",
        "DeYoung et al. 2020",
    ),
    "plausibility": Comparison(
        run_plausibility,
        len(METHODS),
        "Are they the words that people marked?",
        "people name the same words; whether the decision rests on them, the question before says",
        "people name others, by which the model need not decide",
        "AUROC of marked words",
    ),
}
