"""Shapes of an audit's drawings, in their own units; templates/drawings.html puts them into SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

WIDE, HIGH = 400, 120  # of a drawing
LN2 = math.log(2)
Shape = dict[str, Any]


def histogram(counts: list[int]) -> list[dict[str, float]]:
    """Bars in a drawing of WIDE x HIGH."""
    step, most = WIDE / len(counts), max(max(counts), 1)
    return [
        {"x": i * step, "wide": step - 1, "high": HIGH * n / most, "y": HIGH - HIGH * n / most}
        for i, n in enumerate(counts)
    ]


def reach(bins: Sequence[Mapping[str, Any]]) -> tuple[int, float]:
    """How many of the classes of distances, 0 to 1, any range has texts in, and where they end."""
    counts = [each for one in bins for each in one["spread"].values()]
    used = max((i + 1 for each in counts for i, n in enumerate(each) if n), default=1)
    return used, used / max((len(each) for each in counts), default=1)


def violins(bins: Sequence[Mapping[str, Any]]) -> list[Shape]:
    """One for each range of the greatest attention and predicted class with texts: the outline of
    how the distances, 0 at the bottom to `reach` at the top, are spread.

    Of all ranges the classes stand in the same order, beside each other.
    """
    names = list(dict.fromkeys(name for each in bins for name in each.get("spread", {})))
    room = WIDE / max(1, len(bins) * len(names))
    used, _ = reach(bins)
    found = []
    for i, each in enumerate(bins):
        for j, name in enumerate(names):
            counts = each["spread"].get(name, [])[:used]
            if sum(counts):
                middle = (i * len(names) + j + 0.5) * room
                found.append(
                    {"points": _outline(counts, middle, 0.45 * room), "label": name, "number": j}
                )
    return found


def _outline(counts: list[int], middle: float, half: float) -> str:
    """Around the middle, as wide at each height as counts say, up and down the whole of each step;
    the widest place is 2 half."""
    step, most = HIGH / len(counts), max(counts)
    heights = [HIGH - edge * step for i in range(len(counts)) for edge in (i, i + 1)]
    wide = [half * n / most for n in counts for _ in range(2)]
    right = [(middle + x, y) for x, y in zip(wide, heights, strict=True)]
    left = [(middle - x, y) for x, y in zip(wide, heights, strict=True)]
    return _points([*right, *reversed(left)])


def ranges(bins: Sequence[Mapping[str, Any]]) -> list[Shape]:
    """Where the names of the violins' ranges stand."""
    room = WIDE / max(1, len(bins))
    return [
        {"x": (i + 0.5) * room, "label": f"{each['from']:g} to {each['to']:g}"}
        for i, each in enumerate(bins)
    ]


def curve(points: Sequence[Mapping[str, float]]) -> Shape:
    """Attention's divergence to the right, 0 to ln 2, against decisions' distance upwards, 0 to the
    greatest there is, .1 at least."""
    most = max([0.1, *(p["tvd"] for p in points)])
    dots: list[Shape] = [
        {
            "x": WIDE * p["jsd"] / LN2,
            "y": HIGH - HIGH * p["tvd"] / most,
            "label": f"{p['lambda']:g}",
        }
        for p in points
    ]
    return {"dots": dots, "line": _points([(d["x"], d["y"]) for d in dots]), "most": f"{most:.2f}"}


def scale(value: Mapping[str, float], marks: Sequence[tuple[str, float]]) -> Shape:
    """A bar of a figure from 0 to 1 with its interval, and figures of others as marks."""
    half = value["half_width"] if math.isfinite(value["half_width"]) else 0.0
    low, high = max(0.0, value["mean"] - half), min(1.0, value["mean"] + half)
    return {
        "wide": WIDE * value["mean"],
        "low": WIDE * low,
        "high": WIDE * high,
        "marks": [{"x": WIDE * x, "label": f"{name} {x:.3f}", "end": x > 0.5} for name, x in marks],
    }


def heat(words: Sequence[str], weights: Sequence[float]) -> list[Shape]:
    """Words with how dark each is, 0 to 1: its weight by the greatest."""
    most = max([*weights, 1e-12])
    return [
        {"word": word, "weight": f"{weight:.2f}", "dark": round(max(0.0, weight) / most, 3)}
        for word, weight in zip(words, weights, strict=True)
    ]


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
