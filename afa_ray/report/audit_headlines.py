"""The one figure of each test: what MLflow gets, and what stands side by side of several models."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

Tests = Mapping[str, Any]
MISSING = "–"


class Headline(NamedTuple):
    """Which figure it is for people; its test; and where it is in what that found."""

    says: str
    test: str
    of: Callable[[Mapping[str, Any]], float]


HEADLINES: dict[str, Headline] = {
    "accuracy": Headline("accuracy", "classification", lambda x: x["accuracy"]["mean"]),
    "comprehensiveness": Headline(
        "probability that goes without the words that attention names",
        "explainers",
        lambda x: x["methods"]["attention"]["comprehensiveness"]["mean"],
    ),
    "sufficiency": Headline(
        "probability that goes with them alone",
        "explainers",
        lambda x: x["methods"]["attention"]["sufficiency"]["mean"],
    ),
    "auroc": Headline(
        "attention and marked words (AUROC)",
        "plausibility",
        lambda x: x["methods"].get("attention", {"auroc": {"mean": math.nan}})["auroc"]["mean"],
    ),
    "tau_gradient": Headline(
        "order of attention and gradient (τ)",
        "correlation",
        lambda x: x["pairs"]["attention and gradient"]["mean"],
    ),
    "tau_deletion": Headline(
        "order of attention and deletion (τ)",
        "correlation",
        lambda x: x["pairs"]["attention and deletion"]["mean"],
    ),
    "permutation": Headline(
        "change of the probabilities by shuffling", "permutation", lambda x: x["moved"]["mean"]
    ),
    "divergence": Headline(
        "how far attention can be moved, of .693",
        "adversarial",
        lambda x: x["divergence"]["mean"],
    ),
    "attefa": Headline("AtteFa", "attefa", lambda x: x["attefa"]["mean"]),
}


def headlines(tests: Tests) -> dict[str, float]:
    """Those that there are."""
    found = {
        name: each.of(tests[each.test]["figures"])
        for name, each in HEADLINES.items()
        if each.test in tests
    }
    return {name: value for name, value in found.items() if math.isfinite(value)}


def side_by_side(audits: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """Each figure of all models; nothing of one model alone."""
    found = [headlines(audit["tests"]) for audit in audits] if len(audits) > 1 else []
    return [
        (each.says, [f"{of[name]:.3f}" if name in of else MISSING for of in found])
        for name, each in HEADLINES.items()
        if any(name in of for of in found)
    ]
