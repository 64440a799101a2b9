"""The published tests of attention for which models are trained beside the one that is asked about.

Wiegreffe and Pinter, "Attention is not not Explanation", EMNLP 2019 (arXiv 1908.04626); Amini and
Kosseim, "How (Un)Faithful is Attention?", BlackboxNLP 2022 (AtteFa).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from afa_ray.config import ENCODERS, Settings, decided, override
from afa_ray.data.batches import batch_count, evaluation_batches
from afa_ray.data.corpus import Corpus
from afa_ray.data.packed import PackedTexts
from afa_ray.data.sample import sample
from afa_ray.data.tokenizer import special_ids
from afa_ray.evaluation.attefa import adversary_loss, attefa
from afa_ray.evaluation.classification import classification_metrics
from afa_ray.evaluation.distances import LARGEST_DIVERGENCE, jensen_shannon, total_variation
from afa_ray.evaluation.given_attention import own_row
from afa_ray.evaluation.other_attention import Order, among_words, departure_loss, even_row
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
LAMBDAS = (0.0, 1e-4, 5e-4, 1e-3, 1e-2, 0.1, 1.0)
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
    with; the test texts; `advance` is told of every model that has been trained."""

    target: AnyTarget
    settings: Settings
    corpus: Corpus
    test: PackedTexts
    limits: Limits
    seed: int = 0
    advance: Advance = ignored

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
    bench.advance(1)
    return model, epoch


def classifier(bench: Bench, seed: int, row_of: RowOf | None = None, **changes: Any) -> AnyTarget:
    """A fresh Target that has been trained to classify, by its own attention or one given."""
    model, rate = bench.fresh(seed, **changes)
    texts = bench.texts
    epochs = at_least(EPOCHS, UPDATES, batch_count(len(texts.train), BATCH))
    fit(model, classifying(row_of), texts, Plan(epochs, epochs, rate, seed))
    bench.advance(1)
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
        logits = model.decide(model.embed(batch.inputs), batch.inputs, row).logits
        assert logits is not None
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
    from scipy.stats import t

    n = len(values)
    deviation = float(np.std(values, ddof=1)) if n > 1 else math.nan
    wide = float(t.ppf(0.975, n - 1)) * deviation / math.sqrt(n) if n > 1 else math.nan
    return {"mean": float(np.mean(values)), "deviation": deviation, "half_width": wide, "seeds": n}


def run_even(bench: Bench) -> dict[str, Any]:
    """What learned attention is worth: fresh models with it, and with 1 / n throughout; and how
    far the attention of those that learn it is from this model's."""
    rows: dict[str, RowOf | None] = {"learned": None, "even": partial(even, bench)}
    f1: dict[str, list[float]] = {name: [] for name in rows}
    divergences = []
    for seed in range(1, bench.limits.seeds + 1):
        for name, row in rows.items():
            model = classifier(bench, seed, row)
            f1[name].append(accuracy(bench, model, row)["macro_f1"])
            if row is None:
                divergences.append(apart(bench, model)[1])
    return {
        "trained": {name: over_seeds(values) for name, values in f1.items()},
        "divergence of seeds": over_seeds(divergences),
        "itself": accuracy(bench, bench.target)["macro_f1"],
        "made even": accuracy(bench, bench.target, rows["even"])["macro_f1"],
    }


def run_guided(bench: Bench) -> dict[str, Any]:
    """Each word by itself, weighed by attention from elsewhere: what that attention knows."""
    other, _ = adversary(bench, adversary_loss, 1)
    rows: dict[str, RowOf | None] = {
        "even": partial(even, bench),
        "learned": None,
        "this model's": partial(of_model, bench.target),
        "an adversary's": partial(of_model, other),
    }
    seeds = range(1, bench.limits.seeds + 1)

    vectors = bench.corpus.vectors
    by_itself: dict[str, Any] = {"target.name": ENCODERS[2]}
    if vectors is not None:
        by_itself["target.embedding_size"] = vectors.shape[1]

    def one(seed: int, row: RowOf | None) -> float:
        model = classifier(bench, seed, row, **by_itself)
        return accuracy(bench, model, row)["macro_f1"]

    return {"by": {name: over_seeds([one(s, row) for s in seeds]) for name, row in rows.items()}}


def run_departure(bench: Bench) -> dict[str, Any]:
    """How far attention departs, and decisions with it, as departing is worth more."""
    curve = []
    for weight in LAMBDAS:
        loss = partial(departure_loss, weight=weight, order=bench.limits.order)
        model, epoch = adversary(bench, loss, 1)
        tvd, jsd = apart(bench, model)
        figures = {"lambda": weight, "tvd": tvd, "jsd": jsd, "epoch": epoch}
        curve.append({**figures, "macro_f1": accuracy(bench, model)["macro_f1"]})
    return {"curve": curve, "order": bench.limits.order}


def run_attefa(bench: Bench) -> dict[str, Any]:
    """AtteFa against several adversaries."""
    each = []
    for seed in range(1, bench.limits.seeds + 1):
        model, epoch = adversary(bench, adversary_loss, seed)
        tvd, jsd = apart(bench, model)
        scaled = {"stvd": tvd, "sjsd": jsd / LARGEST_DIVERGENCE}
        each.append({"seed": seed, "epoch": epoch, **scaled, "attefa": attefa(tvd, jsd)})
    means = {name: over_seeds([x[name] for x in each]) for name in ("attefa", "stvd", "sjsd")}
    return {**means, "each": each, "chosen on": "test" if bench.limits.on_test else "validation"}


class TrainedTest(NamedTuple):
    """A test of attention for which models are trained; see `evaluation.audit.Test`.

    Attributes:
        run: bench -> figures; trains: how many models.
    """

    run: Callable[[Bench], dict[str, Any]]
    trains: Callable[[Limits], int]
    asks: str
    high: str
    low: str
    source: str


TRAINED_TESTS: dict[str, TrainedTest] = {
    "even": TrainedTest(
        run_even,
        lambda limits: 2 * limits.seeds,
        "Is learned attention worth anything here, or would the same weight for every word do?",
        "attention that is learned decides better than even attention, so that it can explain",
        "even attention does as well, and on such texts no test can tell attention's worth",
        "Wiegreffe and Pinter 2019, 3.2 and 3.3",
    ),
    "guided": TrainedTest(
        run_guided,
        lambda limits: 1 + 4 * limits.seeds,
        "Does this attention help a model that sees one word at a time?",
        "its weights know what words matter, whoever reads them",
        "its weights say nothing to another model: they mean something in their own network alone",
        "Wiegreffe and Pinter 2019, 4.2 (the adversary is AtteFa's)",
    ),
    "departure": TrainedTest(
        run_departure,
        lambda limits: len(LAMBDAS),
        "What does it cost in decisions to attend elsewhere?",
        "decisions move as soon as attention does: it cannot be had otherwise",
        "attention departs at no cost: other models decide alike by other words",
        "Wiegreffe and Pinter 2019, 4.1",
    ),
    "attefa": TrainedTest(
        run_attefa,
        lambda limits: limits.seeds,
        "How far must decisions move for attention to move, against trained adversaries?",
        "attention cannot be changed without changing decisions: it is faithful",
        "an adversary decides alike and attends elsewhere: attention was no reason",
        "Amini and Kosseim 2022",
    ),
}
