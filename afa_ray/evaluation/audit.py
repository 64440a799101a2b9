"""Is attention an explanation? The published tests of it, over many texts, by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from afa_ray.data.batches import evaluation_batches
from afa_ray.data.packed import PackedTexts
from afa_ray.evaluation.adversarial_attention import (
    adversarial_rows,
    divergences,
    possible_divergence,
)
from afa_ray.evaluation.correlation import by_class, correlation, importances, kendall
from afa_ray.evaluation.distances import LARGEST_DIVERGENCE
from afa_ray.evaluation.given_attention import own_row
from afa_ray.evaluation.permutation import permutation_distance
from afa_ray.evaluation.prediction import read_inputs
from afa_ray.explainers.interface import text_tokens
from afa_ray.models import AnyTarget
from afa_ray.models.interface import Inputs
from afa_ray.progress import Advance

Z = 1.96  # a normal 95% interval, over texts
BINS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the greatest attention in a text
HISTOGRAM = 40
SPREAD = 20  # classes of a distance from 0 to 1, and of tau from -1 to 1
CASES = 4  # texts whose attention moves furthest that are shown
FAR = (0.5, 0.6)  # epsilon-max JSD, in nats


class Seen(NamedTuple):
    """A batch that a test sees: its texts' numbers in the corpus, and what the model reads."""

    examples: Tensor
    inputs: Inputs


Batches = Iterable[Seen]


class Test(NamedTuple):
    """A test of attention.

    Attributes:
        run: (model in eval mode, batches, seed) -> figures as JSON takes them.
        asks: the question that it answers; high, low: what a high and a low figure mean.
        source: where it is defined.
    """

    run: Callable[[AnyTarget, Batches, int], dict[str, Any]]
    asks: str
    high: str
    low: str
    source: str


def batches(
    target: AnyTarget, texts: PackedTexts, special_ids: tuple[int, ...], advance: Advance
) -> Iterable[Seen]:
    """All of the texts; `advance` is told of each batch when the next one is asked for."""
    for examples in evaluation_batches(texts, target.evaluation_batch):
        inputs = read_inputs(texts, examples, target, special_ids)
        yield Seen(torch.from_numpy(examples).to(target.device), inputs)
        advance(len(examples))


def interval(values: np.ndarray) -> dict[str, float]:
    """Mean over texts with the half-width of its 95% interval."""
    count = len(values)
    if not count:
        return {"mean": math.nan, "half_width": math.nan, "texts": 0}
    spread = float(values.std(ddof=1)) if count > 1 else math.nan
    return {
        "mean": float(values.mean()),
        "half_width": Z * spread / math.sqrt(count),
        "texts": count,
    }


def run_correlation(target: AnyTarget, seen: Batches, seed: int) -> dict[str, Any]:
    """Kendall's tau of attention, gradient and deletion with each other, and by predicted class."""
    taus: dict[tuple[str, str], list[tuple[np.ndarray, np.ndarray]]] = {}
    classes = []
    for batch in seen:
        classes.append(_decision(target, batch.inputs)[0])
        found, text = importances(target, batch.inputs), text_tokens(target, batch.inputs)
        for pair in combinations(found, 2):
            taus.setdefault(pair, []).append(kendall(found[pair[0]], found[pair[1]], text))
    pairs, of, names = {}, np.concatenate(classes), target.config.id2label or {}
    for (one, other), parts in taus.items():
        tau, p = (np.concatenate(each) for each in zip(*parts, strict=True))
        pairs[f"{one} and {other}"] = {
            **correlation(tau, p)._asdict(),
            "half_width": interval(tau[~np.isnan(tau)])["half_width"],
            "by_class": {
                str(names.get(number, number)): its._asdict()
                for number, its in by_class(tau, p, of).items()
            },
            "histogram": np.histogram(tau[~np.isnan(tau)], SPREAD, (-1.0, 1.0))[0].tolist(),
        }
    return {"pairs": pairs}


def run_permutation(target: AnyTarget, seen: Batches, seed: int) -> dict[str, Any]:
    """How far the decision moves when attention is shuffled, by the greatest weight of a text."""
    moved, greatest, classes = [], [], []
    for batch in seen:
        found = permutation_distance(target, batch.inputs, seed=seed, examples=batch.examples)
        predicted, row = _decision(target, batch.inputs)
        moved.append(found.cpu().numpy())
        classes.append(predicted)
        greatest.append((row * text_tokens(target, batch.inputs)).max(-1).values.cpu().numpy())
    distance, most = np.concatenate(moved), np.concatenate(greatest)
    of, names = np.concatenate(classes), target.config.id2label or {}
    places = np.clip(np.digitize(most, BINS[1:-1]), 0, len(BINS) - 2)
    by_attention = [
        {
            "from": BINS[i],
            "to": BINS[i + 1],
            "texts": int((places == i).sum()),
            "quartiles": _quartiles(distance[places == i]),
            "spread": {
                str(names.get(c, c)): _counts(distance[(places == i) & (of == c)])
                for c in np.unique(of).tolist()
            },
        }
        for i in range(len(BINS) - 1)
    ]
    return {"moved": interval(distance), "by_greatest_attention": by_attention}


def run_adversarial(target: AnyTarget, seen: Batches, seed: int) -> dict[str, Any]:
    """The greatest divergence of attention by which the decision stays, text by text."""
    parts: list[np.ndarray] = []
    most: list[np.ndarray] = []
    cases: list[dict[str, Any]] = []
    for batch in seen:
        rows = adversarial_rows(target, batch.inputs, seed=seed, examples=batch.examples)
        apart, which = divergences(target, batch.inputs, rows).max(1)
        parts.append(apart.cpu().numpy())
        row, words = own_row(target, batch.inputs), text_tokens(target, batch.inputs)
        most.append(possible_divergence(row, words).cpu().numpy())
        for text in apart.topk(min(CASES, len(apart))).indices.tolist():
            both = row[text], rows[text, which[text]]
            cases.append(_case(batch.inputs, text, both, float(apart[text])))
    found, possible = np.concatenate(parts), np.concatenate(most)
    counts, _ = np.histogram(found, HISTOGRAM, (0.0, LARGEST_DIVERGENCE))
    return {
        "divergence": interval(found),
        "above": {str(limit): float((found > limit).mean()) for limit in FAR},
        "possible": {str(limit): float((possible > limit).mean()) for limit in FAR},
        "histogram": counts.tolist(),
        "cases": sorted(cases, key=lambda case: -case["divergence"])[:CASES],
    }


def _case(
    inputs: Inputs, text: int, rows: tuple[Tensor, Tensor], divergence: float
) -> dict[str, Any]:
    """A text of a batch: its ids, those it is read for, the real row (L,), and the other one."""
    present = inputs.present[text]
    real, other = rows
    return {
        "divergence": divergence,
        "ids": inputs.tokens[text][present].tolist(),
        "query": [] if inputs.query is None else inputs.query[text].tolist(),
        "real": real[present].tolist(),
        "other": other[present].tolist(),
    }


def _decision(target: AnyTarget, inputs: Inputs) -> tuple[np.ndarray, Tensor]:
    """(B,) predicted classes, and the row (B, L)."""
    with torch.no_grad():
        output = target.decide(target.embed(inputs), inputs)
    return output.decision.argmax(-1).cpu().numpy(), output.row.float()


def _counts(distance: np.ndarray) -> list[int]:
    return np.histogram(distance, SPREAD, (0.0, 1.0))[0].tolist()


def _quartiles(values: np.ndarray) -> list[float]:
    return np.quantile(values, (0.25, 0.5, 0.75)).tolist() if len(values) else [math.nan] * 3


TESTS: dict[str, Test] = {
    "correlation": Test(
        run_correlation,
        "Does attention put words in the order that gradients and deletion do?",
        "attention, gradients and deletion point at the same words",
        "attention points elsewhere than what the decision is sensitive to",
        "Jain and Wallace 2019, 4.1",
    ),
    "permutation": Test(
        run_permutation,
        "Does the decision change when the weights are shuffled among the words?",
        "the decision needs its attention where it is",
        "any attention would do, so that this one explains little",
        "Jain and Wallace 2019, 4.2.1",
    ),
    "adversarial": Test(
        run_adversarial,
        "Can attention be moved to quite different words while the probabilities stay?",
        "it can, and quite different explanations are as true to the decision as this one",
        "it cannot: attention is tied to the decision, unless there are few words to move it to",
        "Jain and Wallace 2019, 4.2.2",
    ),
}
