"""An audit's figures in the rows of each test's table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from afa_ray.report.view import seconds

Figures = Mapping[str, Any]
CLASSES = 6  # that are told apart, at most
Rows = list[tuple[str, str]]
NAMES = {
    "attention": "attention",
    "attention_ig": "attention read for the class (attention_ig)",
    "layers_ig": "the same in all layers (layers_ig)",
    "attn_lrp": "relevance (attn_lrp)",
    "gae": "attention times gradient (gae)",
    "leave_one_out": "leaving one word out",
    "ig": "integrated gradients",
    "random": "chance",
}


def with_interval(of: Mapping[str, float]) -> str:
    half = of["half_width"]
    return f"{of['mean']:.3f} ± {half:.3f}" if math.isfinite(half) else f"{of['mean']:.3f}"


def _classification(found: Figures) -> Rows:
    return [
        ("accuracy, 0 to 1", with_interval(found["accuracy"])),
        ("macro F1, 0 to 1", f"{found['macro_f1']:.3f}"),
        (
            "accuracy while the most attended words are deleted, by that while random ones are",
            f"{found['normalized_area']:.3f}",
        ),
    ]


def _explainers(found: Figures) -> Rows:
    return [(NAMES[name], _explained(name, x)) for name, x in found["methods"].items()]


def _explained(name: str, found: Figures) -> str:
    if "refused" in found:
        return f"not defined here: {found['refused'].removeprefix(f'{name}: ')}"
    went, kept = (with_interval(found[of]) for of in ("comprehensiveness", "sufficiency"))
    return (
        f"{went} goes without its words, {kept} with them alone; {seconds(found['seconds'])} a text"
    )


def _plausibility(found: Figures) -> Rows:
    return [
        (NAMES[name], f"AUROC {with_interval(x['auroc'])}, average precision "
         f"{with_interval(x['average_precision'])}")
        for name, x in found["methods"].items()
    ]  # fmt: skip


def _correlation(found: Figures) -> Rows:
    return [
        (
            f"agreement of {pair} on the order of words (mean τ-b, -1 to 1)",
            _agreement(x),
        )
        for pair, x in found["pairs"].items()
    ]


def _agreement(found: Figures) -> str:
    out = f"{found['constant']} texts whose words are all alike are left out"
    if not found["texts"]:
        return f"none: {out}"
    share = f"{found['significant']:.0%} of texts"
    said = f"{with_interval(found)}; other than by chance (p ≤ .05, either way) in {share}"
    return said + _by_class(found["by_class"]) + (f"; {out}" if found["constant"] else "")


def _by_class(found: Mapping[str, Figures]) -> str:
    """The means of the classes that are predicted most, where there are several."""
    most = sorted(found.items(), key=lambda each: -each[1]["texts"])[:CLASSES]
    said = [f"{name} {x['mean']:.2f}" for name, x in most if x["texts"]]
    return f"; by predicted class {', '.join(said)}" if len(said) > 1 else ""


def _permutation(found: Figures) -> Rows:
    parts = [
        (
            f"… where the greatest weight is {x['from']:g} to {x['to']:g} ({x['texts']} texts)",
            "{:.3f} (quartiles {:.3f} to {:.3f})".format(
                x["quartiles"][1], x["quartiles"][0], x["quartiles"][2]
            ),
        )
        for x in found["by_greatest_attention"]
        if x["texts"]
    ]
    what = "change of the probabilities by shuffling (median of a text), 0 to 1"
    return [(what, with_interval(found["moved"])), *parts]


def _adversarial(found: Figures) -> Rows:
    what = "greatest change of attention while the probabilities move by .05 at most, 0 to .693"
    return [
        (what, with_interval(found["divergence"])),
        *(
            (
                f"texts where it is above {limit}",
                f"{share:.0%} (whatever the decision, at most {found['possible'][limit]:.0%})",
            )
            for limit, share in found["above"].items()
        ),
    ]


def _even(found: Figures) -> Rows:
    return [
        ("macro F1 of this model", f"{found['itself']:.3f}"),
        ("… with its attention made even", f"{found['made even']:.3f}"),
        *(
            (f"macro F1 of fresh models, attention {name}", with_interval(x))
            for name, x in found["trained"].items()
        ),
        (
            "divergence of their attention from this model's, 0 to .693",
            with_interval(found["divergence of seeds"]),
        ),
    ]


def _guided(found: Figures) -> Rows:
    return [
        (f"macro F1 of words each by itself, weighed by {name} attention", with_interval(x))
        for name, x in found["by"].items()
    ]


def _departure(found: Figures) -> Rows:
    return [
        (
            f"λ = {x['lambda']:g}",
            f"decisions {x['tvd']:.3f} apart, attention {x['jsd']:.3f}; macro F1 "
            f"{x['macro_f1']:.3f}",
        )
        for x in found["curve"]
    ]


def _attefa(found: Figures) -> Rows:
    return [
        ("AtteFa, 0 to 1", f"{with_interval(found['attefa'])} (sd {_sd(found['attefa'])})"),
        ("decisions apart, 0 to 1", with_interval(found["stvd"])),
        ("attention apart, 0 to 1", with_interval(found["sjsd"])),
        ("adversaries", f"{found['attefa']['seeds']}, epochs chosen on {found['chosen on']} texts"),
    ]


def _sd(of: Mapping[str, float]) -> str:
    return f"{of['deviation']:.3f}" if math.isfinite(of["deviation"]) else "of one alone: none"


ROWS: dict[str, Callable[[Figures], Rows]] = {
    "classification": _classification,
    "explainers": _explainers,
    "plausibility": _plausibility,
    "correlation": _correlation,
    "permutation": _permutation,
    "adversarial": _adversarial,
    "even": _even,
    "guided": _guided,
    "departure": _departure,
    "attefa": _attefa,
}
