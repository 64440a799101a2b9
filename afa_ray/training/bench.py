"""A finished model on the bench: fresh ones of its kind are trained and held against it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from afa_ray.config import Settings, decided
from afa_ray.data.batches import batch_count, evaluation_batches
from afa_ray.data.corpus import Corpus
from afa_ray.data.packed import PackedTexts
from afa_ray.data.sample import sample
from afa_ray.data.tokenizer import special_ids
from afa_ray.dotted import override
from afa_ray.evaluation.classification import classification_metrics
from afa_ray.evaluation.distances import jensen_shannon, total_variation
from afa_ray.evaluation.given_attention import own_row
from afa_ray.evaluation.other_attention import Order, among_words, even_row
from afa_ray.evaluation.statistics import estimate
from afa_ray.explainers.interface import text_tokens
from afa_ray.models import AnyTarget
from afa_ray.models.interface import Inputs
from afa_ray.progress import Advance, ignored
from afa_ray.recipe import at_least, chosen
from afa_ray.training.descent import (
    BATCH,
    Departure,
    Labelled,
    Plan,
    RowOf,
    Texts,
    batches,
    classifying,
    decision,
    departing,
    fit,
)
from afa_ray.training.players import build_players

EPOCHS, UPDATES = 8, 600  # of classifiers, both at least
PATIENCE = 10  # epochs of an adversary without a lower loss
SEEDS = 9


@dataclass(frozen=True)
class Limits:
    """How much is trained.

    `seeds` models a figure; an adversary at most `epochs`; on at most `texts` training texts, 0 for
    all. `on_test`: an adversary's epoch is chosen on the test texts, as AtteFa's authors do.
    `order`: see `departure_loss`.
    """

    seeds: int = SEEDS
    epochs: int = 80
    texts: int = 4_000
    on_test: bool = False
    order: Order = "published"


@dataclass(frozen=True)
class Bench:
    """A finished Target in eval mode, its run's settings and corpus, with what a fresh one starts
    with; the test texts; `advance` is told of every model of which something is found.

    `kept` is what has been found of single models, by name; `keep` is called when that grows.
    """

    target: AnyTarget
    settings: Settings
    corpus: Corpus
    test: PackedTexts
    limits: Limits
    seed: int = 0
    advance: Advance = ignored
    kept: dict[str, Any] = field(default_factory=dict)
    keep: Callable[[], object] = lambda: None

    def once(self, name: str, find: Callable[[], Any]) -> Any:
        """What is found of one model, now or before."""
        if name not in self.kept:
            self.kept[name] = find()
            self.keep()
        self.advance(1)
        return self.kept[name]

    @property
    def texts(self) -> Texts:
        train = sample(self.corpus.train, self.limits.texts, self.seed)
        held_out = sample(self.corpus.validation, self.limits.texts, self.seed)
        special = special_ids(self.corpus.tokenizer)
        return Texts(train, self.test if self.limits.on_test else held_out, special)

    def fresh(self, seed: int, **changes: Any) -> tuple[AnyTarget, float]:
        """A Target of the run's kind, or of another one, with weights of the seed, and Adam's
        rate for it."""
        values = {"train.seed": seed, "afa.lambda_adv": 0.0, **changes}
        settings = override(self.settings, values)
        rate = decided(chosen(settings, len(self.corpus.train)).train.target_lr)
        return build_players(settings, self.corpus).target.to(self.target.device), rate

    def seen(self, model: AnyTarget) -> list[Labelled]:
        """The test texts."""
        numbers = evaluation_batches(self.test, model.evaluation_batch)
        return list(batches(model, self.test, numbers, special_ids(self.corpus.tokenizer)))


def adversary(bench: Bench, departure: Departure, seed: int) -> tuple[AnyTarget, int]:
    """A fresh Target that has been trained against the finished one, and its epoch."""
    model, rate = bench.fresh(seed)
    plan = Plan(bench.limits.epochs, PATIENCE, rate, seed)
    epoch = fit(model, departing(bench.target, departure), bench.texts, plan)
    return model, epoch


def classifier(bench: Bench, seed: int, row_of: RowOf | None = None, **changes: Any) -> AnyTarget:
    """A fresh Target that has been trained to classify, by its own attention or one given."""
    model, rate = bench.fresh(seed, **changes)
    texts = bench.texts
    epochs = at_least(EPOCHS, UPDATES, batch_count(len(texts.train), BATCH))
    fit(model, classifying(row_of), texts, Plan(epochs, epochs, rate, seed))
    return model


@torch.no_grad()
def apart(bench: Bench, model: AnyTarget) -> tuple[float, float]:
    """Means over the test texts of the total variation distance of the two models' decisions, and
    of the divergence of their attention."""
    found = []
    for batch in bench.seen(model):
        (p, row), (own, own_row) = (decision(m, batch.inputs) for m in (model, bench.target))
        found.append(torch.stack([total_variation(p, own), jensen_shannon(row, own_row)]))
    tvd, jsd = torch.cat(found, 1).double().mean(1).tolist()
    return tvd, max(0.0, jsd)


@torch.no_grad()
def accuracy(bench: Bench, model: AnyTarget, row_of: RowOf | None = None) -> dict[str, float]:
    """Accuracy and macro F1 on the test texts, by attention of its own or given."""
    labels, predicted = [], []
    for batch in bench.seen(model):
        row = None if row_of is None else row_of(batch.inputs)
        logits = model.decide(model.embed(batch.inputs), batch.inputs, row).decision
        predicted.append(logits.argmax(-1))
        labels.append(batch.labels)
    return classification_metrics(*(torch.cat(x).cpu().numpy() for x in (labels, predicted)))


def even(bench: Bench, inputs: Inputs) -> Tensor:
    return even_row(text_tokens(bench.target, inputs)).float()


def of_model(model: AnyTarget, inputs: Inputs) -> Tensor:
    """Another model's row, among the words."""
    return among_words(own_row(model, inputs), text_tokens(model, inputs))


def over_seeds(values: list[float]) -> dict[str, Any]:
    """Mean and standard deviation over models, with the half-width of the 95% t-interval."""
    of = estimate(values)
    deviation = float(np.std(values, ddof=1)) if of.count > 1 else math.nan
    return {
        "mean": of.mean,
        "deviation": deviation,
        "half_width": of.half_width,
        "seeds": of.count,
    }
