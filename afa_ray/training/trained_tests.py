"""The published tests of attention for which models are trained beside the one that is asked about.

Wiegreffe and Pinter, "Attention is not not Explanation", EMNLP 2019 (arXiv 1908.04626); Amini and
Kosseim, "How (Un)Faithful is Attention?", BlackboxNLP 2022 (AtteFa).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

from afa_ray.config import ENCODERS
from afa_ray.evaluation.attefa import adversary_loss, attefa
from afa_ray.evaluation.distances import LARGEST_DIVERGENCE
from afa_ray.evaluation.other_attention import departure_loss
from afa_ray.training.bench import (
    Bench,
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
GUIDES = ("even", "learned", "this model's", "an adversary's")
Models = dict[str, Callable[[], Any]]
Found = dict[str, Any]


def even_models(bench: Bench) -> Models:
    """Fresh models with attention that they learn, and with 1 / n throughout."""
    rows: dict[str, RowOf | None] = {"learned": None, "even": partial(even, bench)}

    def one(seed: int, row: RowOf | None) -> tuple[float, float]:
        model = classifier(bench, seed, row)
        return accuracy(bench, model, row)["macro_f1"], apart(bench, model)[1]

    return {
        f"even, {name}, {seed}": partial(one, seed, row)
        for name, row in rows.items()
        for seed in _seeds(bench)
    }


def even_figures(bench: Bench, found: Found) -> dict[str, Any]:
    """What learned attention is worth, and how far the attention of those that learn it is from
    this model's."""
    of = {name: _of(found, f"even, {name}, ", bench) for name in ("learned", "even")}
    return {
        "trained": {name: over_seeds([f1 for f1, _ in each]) for name, each in of.items()},
        "divergence of seeds": over_seeds([jsd for _, jsd in of["learned"]]),
        "itself": accuracy(bench, bench.target)["macro_f1"],
        "made even": accuracy(bench, bench.target, partial(even, bench))["macro_f1"],
    }


def guided_models(bench: Bench) -> Models:
    """Each word by itself, weighed by attention from elsewhere. The adversary is trained once, by
    the first that asks for it."""
    other = cache(lambda: adversary(bench, adversary_loss, 1)[0])
    rows: dict[str, Callable[[], RowOf | None]] = {
        "even": lambda: partial(even, bench),
        "learned": lambda: None,
        "this model's": lambda: partial(of_model, bench.target),
        "an adversary's": lambda: partial(of_model, other()),
    }
    vectors = bench.corpus.vectors
    by_itself: dict[str, Any] = {"target.name": ENCODERS[2], "train.target_lr": None}  # its own
    if vectors is not None:
        by_itself["target.embedding_size"] = vectors.shape[1]

    def one(seed: int, name: str) -> float:
        row = rows[name]()
        model = classifier(bench, seed, row, **by_itself)
        return accuracy(bench, model, row)["macro_f1"]

    return {
        f"guided, {name}, {seed}": partial(one, seed, name)
        for name in GUIDES
        for seed in _seeds(bench)
    }


def guided_figures(bench: Bench, found: Found) -> dict[str, Any]:
    """What the attention from elsewhere knows."""
    return {"by": {name: over_seeds(_of(found, f"guided, {name}, ", bench)) for name in GUIDES}}


def departure_models(bench: Bench) -> Models:
    """Adversaries for which departing is worth more and more."""

    def one(weight: float) -> dict[str, float]:
        loss = partial(departure_loss, weight=weight, order=bench.limits.order)
        model, epoch = adversary(bench, loss, 1)
        tvd, jsd = apart(bench, model)
        f1 = accuracy(bench, model)["macro_f1"]
        return {"lambda": weight, "tvd": tvd, "jsd": jsd, "epoch": epoch, "macro_f1": f1}

    return {f"departure, {weight}": partial(one, weight) for weight in LAMBDAS}


def departure_figures(bench: Bench, found: Found) -> dict[str, Any]:
    """How far attention departs, and decisions with it."""
    curve = [found[f"departure, {weight}"] for weight in LAMBDAS]
    return {"curve": curve, "order": bench.limits.order}


def attefa_models(bench: Bench) -> Models:
    """AtteFa's adversaries."""

    def one(seed: int) -> dict[str, float]:
        model, epoch = adversary(bench, adversary_loss, seed)
        tvd, jsd = apart(bench, model)
        scaled = {"stvd": tvd, "sjsd": jsd / LARGEST_DIVERGENCE}
        return {"seed": seed, "epoch": epoch, **scaled, "attefa": attefa(tvd, jsd)}

    return {f"attefa, {seed}": partial(one, seed) for seed in _seeds(bench)}


def attefa_figures(bench: Bench, found: Found) -> dict[str, Any]:
    """AtteFa against several adversaries."""
    each = _of(found, "attefa, ", bench)
    means = {name: over_seeds([x[name] for x in each]) for name in ("attefa", "stvd", "sjsd")}
    return {**means, "each": each, "chosen on": "test" if bench.limits.on_test else "validation"}


def _of(found: Found, name: str, bench: Bench) -> list[Any]:
    return [found[f"{name}{seed}"] for seed in _seeds(bench)]


def _seeds(bench: Bench) -> range:
    return range(1, bench.limits.seeds + 1)


class TrainedTest(NamedTuple):
    """A test of attention for which models are trained; see `evaluation.audit.Test`.

    Attributes:
        models: by name, what trains one and returns what is found of it, as JSON takes it. Each
            is found by itself, in any order, here or in another process.
        figures: of what was found of them all.
    """

    models: Callable[[Bench], Models]
    figures: Callable[[Bench, Found], dict[str, Any]]
    asks: str
    high: str
    low: str
    source: str

    def run(self, bench: Bench) -> dict[str, Any]:
        """The figures; what is kept of a model is not found again."""
        found = {name: bench.once(name, find) for name, find in self.models(bench).items()}
        return self.figures(bench, found)


TRAINED_TESTS: dict[str, TrainedTest] = {
    "even": TrainedTest(
        even_models,
        even_figures,
        "Is learned attention worth anything here, or would the same weight for every word do?",
        "attention that is learned decides better than even attention, so that it can explain",
        "even attention does as well, and on such texts no test can tell attention's worth",
        "Wiegreffe and Pinter 2019, 3.2 and 3.3",
    ),
    "guided": TrainedTest(
        guided_models,
        guided_figures,
        "Does this attention help a model that sees one word at a time?",
        "its weights know what words matter, whoever reads them",
        "its weights say nothing to another model, and mean something in their own network alone",
        "Wiegreffe and Pinter 2019, 4.2 (the adversary is AtteFa's)",
    ),
    "departure": TrainedTest(
        departure_models,
        departure_figures,
        "What does it cost in decisions to attend elsewhere?",
        "decisions move as soon as attention does, so that it cannot be had otherwise",
        "attention departs at no cost, and other models decide the same by other words",
        "Wiegreffe and Pinter 2019, 4.1",
    ),
    "attefa": TrainedTest(
        attefa_models,
        attefa_figures,
        "How far must decisions move for attention to move, against trained adversaries?",
        "attention cannot be changed without changing decisions, so that it is faithful",
        "an adversary decides alike and attends elsewhere, so that attention was no reason",
        "Amini and Kosseim 2022",
    ),
}
