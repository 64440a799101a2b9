"""The published tests of attention for which models are trained beside the one that is asked about.

Wiegreffe and Pinter, "Attention is not not Explanation", EMNLP 2019 (arXiv 1908.04626); Amini and
Kosseim, "How (Un)Faithful is Attention?", BlackboxNLP 2022 (AtteFa).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from afa_ray.config import ENCODERS
from afa_ray.evaluation.attefa import adversary_loss, attefa
from afa_ray.evaluation.distances import LARGEST_DIVERGENCE
from afa_ray.evaluation.other_attention import departure_loss
from afa_ray.training.bench import (
    Bench,
    Limits,
    accuracy,
    adversary,
    apart,
    classifier,
    even,
    of_model,
    over_seeds,
)
from afa_ray.training.descent import RowOf

LAMBDAS = (0.0, 1e-4, 5e-4, 1e-3, 1e-2, 0.1, 1.0)


def run_even(bench: Bench) -> dict[str, Any]:
    """What learned attention is worth: fresh models with it, and with 1 / n throughout; and how
    far the attention of those that learn it is from this model's."""
    rows: dict[str, RowOf | None] = {"learned": None, "even": partial(even, bench)}

    def one(seed: int, row: RowOf | None) -> tuple[float, float]:
        model = classifier(bench, seed, row)
        return accuracy(bench, model, row)["macro_f1"], apart(bench, model)[1]

    found = {
        name: [bench.once(f"even, {name}, {s}", partial(one, s, row)) for s in _seeds(bench)]
        for name, row in rows.items()
    }
    return {
        "trained": {name: over_seeds([f1 for f1, _ in each]) for name, each in found.items()},
        "divergence of seeds": over_seeds([jsd for _, jsd in found["learned"]]),
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
    vectors = bench.corpus.vectors
    by_itself: dict[str, Any] = {"target.name": ENCODERS[2]}
    if vectors is not None:
        by_itself["target.embedding_size"] = vectors.shape[1]

    def one(seed: int, row: RowOf | None) -> float:
        model = classifier(bench, seed, row, **by_itself)
        return accuracy(bench, model, row)["macro_f1"]

    found = {
        name: [bench.once(f"guided, {name}, {s}", partial(one, s, row)) for s in _seeds(bench)]
        for name, row in rows.items()
    }
    return {"by": {name: over_seeds(each) for name, each in found.items()}}


def run_departure(bench: Bench) -> dict[str, Any]:
    """How far attention departs, and decisions with it, as departing is worth more."""

    def one(weight: float) -> dict[str, float]:
        loss = partial(departure_loss, weight=weight, order=bench.limits.order)
        model, epoch = adversary(bench, loss, 1)
        tvd, jsd = apart(bench, model)
        f1 = accuracy(bench, model)["macro_f1"]
        return {"lambda": weight, "tvd": tvd, "jsd": jsd, "epoch": epoch, "macro_f1": f1}

    curve = [bench.once(f"departure, {weight}", partial(one, weight)) for weight in LAMBDAS]
    return {"curve": curve, "order": bench.limits.order}


def run_attefa(bench: Bench) -> dict[str, Any]:
    """AtteFa against several adversaries."""

    def one(seed: int) -> dict[str, float]:
        model, epoch = adversary(bench, adversary_loss, seed)
        tvd, jsd = apart(bench, model)
        scaled = {"stvd": tvd, "sjsd": jsd / LARGEST_DIVERGENCE}
        return {"seed": seed, "epoch": epoch, **scaled, "attefa": attefa(tvd, jsd)}

    each = [bench.once(f"attefa, {seed}", partial(one, seed)) for seed in _seeds(bench)]
    means = {name: over_seeds([x[name] for x in each]) for name in ("attefa", "stvd", "sjsd")}
    return {**means, "each": each, "chosen on": "test" if bench.limits.on_test else "validation"}


def _seeds(bench: Bench) -> range:
    return range(1, bench.limits.seeds + 1)


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
