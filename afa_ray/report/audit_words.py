"""An audit's figures in words: the auditor's sentence on each test."""

from __future__ import annotations

import math
from collections.abc import Callable

from afa_ray.report.audit_rows import NAMES, Figures

NEARLY = 0.01  # of macro F1, which is taken for none
DEPARTED = 0.05  # of attention's greatest divergence: less is hardly any


def _two(value: float) -> str:
    """Two decimals; without a sign where these are zeros."""
    return f"{round(value, 2) + 0.0:.2f}"


def _say_classification(found: Figures) -> str:
    return (
        f"The classifier is right in {found['accuracy']['mean']:.0%} of these texts. As words are "
        "deleted, the most attended first, its accuracy is "
        f"{found['normalized_area']:.0%} of what it is when random ones go (100%: attention is no "
        "guide)."
    )


def _say_explainers(found: Figures) -> str:
    went = {
        name: x["comprehensiveness"]["mean"]
        for name, x in found["methods"].items()
        if "refused" not in x
    }
    others = {"ig": "those of integrated gradients", "random": "random ones"}
    said = " and by ".join(f"{_two(went[x])} without {of}" for x, of in others.items() if x in went)
    return (
        "Without the words that attention names, the probability of the decision falls by "
        f"{_two(went['attention'])}; by {said}."
    )


def _say_plausibility(found: Figures) -> str:
    methods = {name: x["auroc"]["mean"] for name, x in found["methods"].items()}
    if not methods or math.isnan(methods["attention"]):
        return "Nobody marked words in these texts: whether people would name the same is not said."
    best = max(methods, key=lambda name: methods[name])
    return (
        "Of a marked word and another one, attention puts the marked one first in "
        f"{methods['attention']:.0%} of all pairs (50%: by chance); at best, by {NAMES[best]}, it "
        f"is {methods[best]:.0%}."
    )


def _say_correlation(found: Figures) -> str:
    one, witness = found["pairs"]["attention and deletion"], found["pairs"]["gradient and deletion"]
    if not (one["texts"] and witness["texts"]):
        return "No text has words that differ in weight: whether their order agrees is not said."
    return (
        "The words that attention weighs most and those whose deletion changes the decision most "
        f"agree in their order with τ = {_two(one['mean'])} (1: the same order, 0: nothing in "
        f"common); gradients and deletion agree with {_two(witness['mean'])}."
    )


def _say_permutation(found: Figures) -> str:
    return (
        "Shuffling attention among the words typically changes the predicted probabilities by "
        f"{found['moved']['mean']:.2f} (0: not at all, 1: entirely)."
    )


def _say_adversarial(found: Figures) -> str:
    return (
        f"In {found['above']['0.5']:.0%} of the texts attention can be moved to quite different "
        "words while the probabilities move by .05 at most." + _too_short(found["possible"]["0.5"])
    )


def _too_short(possible: float) -> str:
    """Said where attention cannot be moved far in all texts, whatever becomes of the decision."""
    if possible == 1:
        return ""
    return f" (In {1 - possible:.0%} it could not be at all: they have few words, or even weights.)"


def _say_even(found: Figures) -> str:
    learned, even = found["trained"]["learned"], found["trained"]["even"]
    return (
        "Trained with learned attention such a model has a macro F1 (1: no mistakes) of "
        f"{learned['mean']:.3f}, "
        f"with the same weight for every word {even['mean']:.3f}: {_worth(learned, even)}."
    )


def _worth(learned: Figures, even: Figures) -> str:
    gain = learned["mean"] - even["mean"]
    if learned["seeds"] < 2:
        return "of one model each, so that nothing follows"
    if _uncertain(learned, even):
        return "models that differ in their seed alone differ as much, so that nothing follows"
    if gain > NEARLY:
        return "attention is worth something on these texts"
    return "on these texts attention is not needed, and its explanation is worth little"


def _uncertain(one: Figures, other: Figures) -> bool:
    """Whether the intervals are not known, or are wide and hold each other's mean."""
    halves = max(one["half_width"], other["half_width"])
    return not math.isfinite(halves) or halves > max(NEARLY, abs(one["mean"] - other["mean"]))


def _say_guided(found: Figures) -> str:
    own, even = found["by"]["this model's"], found["by"]["even"]
    change = "changes nothing for"
    if _uncertain(own, even):
        change = "may or may not help"
    elif abs(own["mean"] - even["mean"]) > NEARLY:
        change = "helps" if own["mean"] > even["mean"] else "harms"
    return (
        f"This model's attention {change} another one that sees one word at a time: its macro "
        f"F1 (1: no mistakes) is {own['mean']:.3f} by it and {even['mean']:.3f} by even weights."
    )


def _say_departure(found: Figures) -> str:
    alike = [x["jsd"] for x in found["curve"] if x["tvd"] <= 0.05]
    if not alike:
        return (
            "Of the models that were trained to attend elsewhere, none makes nearly the same "
            "decisions (probabilities within .05)."
        )
    return (
        "Another model makes nearly the same decisions (probabilities within .05), and its "
        f"attention is {max(alike):.2f} away from this model's, of .69 at most."
    )


def _say_attefa(found: Figures) -> str:
    value, moved = found["attefa"]["mean"], found["sjsd"]["mean"]
    if moved < DEPARTED:
        return (
            "The models that were trained to attend elsewhere and decide alike hardly attend "
            f"elsewhere ({_two(moved)}, of 1 at most): either attention is tied to the decision, "
            f"or they learned too little to say so (AtteFa {value:.3f})."
        )
    far = "at least as far" if value >= 1 else f"{value:.0%} as far"
    return (
        "Where another model was trained to attend elsewhere and decide alike, its decisions moved "
        f"{far} as its attention did (AtteFa {value:.3f}; at 1 attention cannot move without the "
        "decisions)."
    )


SENTENCES: dict[str, Callable[[Figures], str]] = {
    "classification": _say_classification,
    "explainers": _say_explainers,
    "plausibility": _say_plausibility,
    "adversarial": _say_adversarial,
    "permutation": _say_permutation,
    "correlation": _say_correlation,
    "even": _say_even,
    "guided": _say_guided,
    "departure": _say_departure,
    "attefa": _say_attefa,
}
"""In the order of the verdict."""
