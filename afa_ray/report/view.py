"""What a page shows of an explanation and of a run: figures in words, colours in levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LEVELS = 10  # of colour
SHOWN = 12  # classes whose probability is shown, the most probable first


def view(explained: Mapping[str, Any]) -> dict[str, Any]:
    """An explanation, ready to be put into a page."""
    truth, marks, cut = explained["truth"], explained["marks"], explained["cut"]
    text, names = explained["text"], list(explained["scores"])
    chances = sorted(explained["probabilities"].items(), key=lambda item: -(item[1] or 0))
    return {
        "model": explained["model"],
        "query": explained["query"],
        "label": explained["label"],
        "figure": probability(explained["probability"]),
        "target": explained["target"],
        "truth": truth,
        "right": None if truth is None else truth == explained["label"],
        "chances": [
            {"label": label, "value": value or 0, "figure": probability(value)}
            for label, value in chances[:SHOWN]
        ],
        "cut": cut,
        "cut_figure": "" if cut is None else f"{cut:,}",
        "unread": "" if cut is None else text[cut:],
        "marked": marks is not None and any(marks),
        "rows": [_row(explained, name) for name in [*names, *explained["refused"]]],
        "agreement": _agreement(explained, names),
    }


def _row(explained: Mapping[str, Any], name: str) -> dict[str, Any]:
    """One method's line."""
    if name in explained["refused"]:
        return {"name": name, "about": "", "refused": explained["refused"][name]}
    text, scores, spans = explained["text"], explained["scores"][name], explained["spans"]
    strongest = max((abs(s) for s in scores if s is not None), default=0.0)
    marks = explained["marks"] or [0] * len(spans)
    cells, behind = [], 0
    for number, (word, (start, end), score, pieces, mark) in enumerate(
        zip(explained["words"], spans, scores, explained["pieces"], marks, strict=True)
    ):
        cells.append(
            {
                "number": number,
                "gap": text[behind:start],
                "word": word,
                "figure": signed(score),
                "classes": _classes(score, strongest) + (" m" if mark else ""),
                "title": f"{'no number' if score is None else f'{score:+.4f}'}; "
                f"read as {' '.join(pieces)}",
            }
        )
        behind = max(behind, end)
    specials = zip(explained["specials"], explained["special_scores"][name], strict=True)
    return {
        "name": name,
        "about": _about(explained, name),
        "refused": "",
        "cells": cells,
        "rest": text[behind : explained["cut"]],
        "specials": [{"name": s, "figure": signed(v)} for s, v in specials if v],
    }


def _about(explained: Mapping[str, Any], name: str) -> str:
    """A method's cost, and its error where it tells one."""
    parts = [seconds(explained["cost"][name])]
    if explained["error"].get(name) is not None:
        parts.append(f"error {explained['error'][name]:.3f}")
    return ", ".join(parts)


def _classes(score: float | None, strongest: float) -> str:
    """The colour of a score: level 1 to LEVELS for or against, none at 0."""
    if not score or not strongest:
        return ""
    level = max(1, min(LEVELS, round(LEVELS * abs(score) / strongest)))
    return f" p{level}" if score > 0 else f" n n{level}"


def _agreement(explained: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """How far each further method orders the words as the first does."""
    lines = []
    for name in names[1:]:
        tau = agreement_of(explained["scores"][names[0]], explained["scores"][name])
        if tau is not None:
            lines.append(f"{name} agrees with {names[0]}: Kendall τ-b {tau:.2f}")
    return lines


def agreement_of(one: Sequence[float | None], other: Sequence[float | None]) -> float | None:
    """Kendall's tau-b of two methods' scores of a text, 1 where they order its words alike; None
    where there is nothing to order."""
    from scipy.stats import kendalltau

    if len(one) < 2 or None in one or None in other:
        return None
    tau = float(kendalltau(one, other).statistic)
    return tau if tau == tau else None


def run_view(result: Mapping[str, Any], about: str) -> dict[str, Any]:
    """A run's `result.json` for the head of a page; `about` is a sentence on what was trained."""
    curve, test = result["deletion_curve"], result["test"]
    faithful, baseline = result["faithfulness"], result.get("baseline")
    rows = [
        ("accuracy", test["accuracy"]),
        ("macro F1", test["macro_f1"]),
        *([("accuracy of a bag of words", baseline["accuracy"])] if baseline else []),
        ("normalised deletion area, 1 is chance, less is better", curve["normalized_area"]),
        *((name.replace("_", " "), value) for name, value in faithful.items()),
    ]
    agreement = result.get("agreement")
    if agreement and agreement["auroc"] is not None:
        rows.append(("AUROC of attention against marked words", agreement["auroc"]))
    few = result.get("explained", {})
    rows += [
        (f"{figure} of {name}, on {few['texts']} of the texts", few[f"{method}_{figure}"])
        for figure in ("comprehensiveness", "sufficiency")
        for method, name in (("attention", "the attention row"), ("ig", "integrated gradients"))
        if f"{method}_{figure}" in few
    ]
    settings = {**result.get("settings", {}), **result.get("versions", {})}
    return {
        "about": about,
        "warnings": list(result.get("warnings", ())),
        "notes": list(result["data"]["notes"]),
        "figures": [{"name": n, "figure": _figure(v)} for n, v in rows],
        "settings": [{"name": n, "figure": str(v)} for n, v in settings.items() if v is not None],
        "curve": chart(curve),
    }


def chart(curve: Mapping[str, Any]) -> dict[str, Any]:
    """A deletion curve in the coordinates of its drawing, 420 x 260."""
    counts, last = curve["counts"], max(curve["counts"]) or 1
    values = [*curve["by_attention"], *curve["random"]]
    low = max(0.0, min(values) - 0.05)
    high = max(max(values), low + 0.05)

    def x(count: float) -> float:
        return round(50 + 350 * count / last, 1)

    def y(value: float) -> float:
        return round(212 - 196 * (value - low) / (high - low), 1)

    def line(name: str) -> str:
        return " ".join(f"{x(c)},{y(v)}" for c, v in zip(counts, curve[name], strict=True))

    ticks = [low + step * (high - low) / 4 for step in range(5)]
    return {
        "attention": line("by_attention"),
        "random": line("random"),
        "dots": [
            {"x": x(c), "y": y(v)} for c, v in zip(counts, curve["by_attention"], strict=True)
        ],
        "ticks": [{"y": y(value), "figure": f"{value:.2f}"} for value in ticks],
        "counts": [{"x": x(count), "figure": count} for count in counts],
        "area": f"{curve['normalized_area']:.3f}",
        "spoken_attention": ", ".join(f"{v:.2f}" for v in curve["by_attention"]),
        "spoken_random": ", ".join(f"{v:.2f}" for v in curve["random"]),
    }


def probability(value: float | None) -> str:
    """A probability with three digits, as people write it: .940."""
    return "not finite" if value is None else f"{value:.3f}".removeprefix("0")


def signed(value: float | None) -> str:
    """A score with two digits; what is nearly nothing is 0."""
    if value is None:
        return "–"
    text = f"{abs(value):.2f}".removeprefix("0") if abs(value) < 1000 else f"{abs(value):.1e}"
    if text == ".00":
        return "0"
    return f"−{text}" if value < 0 else text


def seconds(value: float) -> str:
    """A cost a text: `12 ms`, `1.4 s`."""
    return f"{value:.1f} s" if value >= 1 else f"{value * 1000:.1f} ms"


def _figure(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else "–" if value is None else str(value)
