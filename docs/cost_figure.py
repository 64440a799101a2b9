"""Draws the README's figure, faithfulness over cost, from the figures of its study:

`python -m docs.cost_figure`, from the root of the repository.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes

from studies.faithful.tables import cost
from studies.jobs import Row, read_rows

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "studies" / "faithful" / "results"
OUT = ROOT / "docs" / "explanation" / "cost.svg"
PANELS = {
    "a single layer": (RESULTS / "figures.jsonl", "single"),
    "MiniLM, six layers": (RESULTS / "layers" / "figures.jsonl", "minilm"),
}
OURS = {  # (form, method): what it is called, and where its name stands
    ("plain", "attention"): ("attention, trained plainly", (6, -8)),
    ("explainable", "attention"): ("attention, explainable", (6, -8)),
    ("plain", "attention_ig"): ("attention_ig", (7, -4)),
    ("plain", "layers_ig"): ("layers_ig", (-16, 7)),
}
OTHERS = {
    "gae": ("GAE", (-9, 7)),
    "attn_lrp": ("AttnLRP", (-28, 7)),
    "leave_one_out": ("leave-\none-out", (-26, -24)),
    "ig": ("integrated\ngradients", (-22, 7)),
}


def points(rows: list[Row]) -> dict[tuple[str, str], tuple[float, float]]:
    """By form and method: what an explanation costs, in predictions with their attention, and its
    comprehensiveness; means over the sets and seeds where all has been measured."""
    cases = [*OURS, *(("plain", method) for method in OTHERS)]
    found: dict[tuple[str, str], dict[Any, Row]] = {}
    for row in rows:
        if (row["form"], row["method"]) in cases and "deleted" in row:
            found.setdefault((row["form"], row["method"]), {})[row["data"], row["seed"]] = row
    everywhere = set.intersection(*(set(each) for each in found.values()))
    rows = [row for each in found.values() for at, row in each.items() if at in everywhere]
    return {
        case: (cost(rows, *case), float(np.mean([each[at]["deleted"][0] for at in everywhere])))
        for case, each in found.items()
    }


def draw_panel(axes: Axes, title: str, rows: list[Row]) -> None:
    for (form, method), at in points(rows).items():
        ours = (form, method) in OURS
        name, place = OURS[form, method] if ours else OTHERS[method]
        colour = "#1f6feb" if ours else "#8a8f98"
        axes.plot(*at, "s" if form == "explainable" else "o", color=colour, markersize=6)
        axes.annotate(name, at, xytext=place, textcoords="offset points", fontsize=8, color=colour)
    axes.set(title=title, xscale="log", xlabel="cost, in predictions", xlim=(0.6, 500))
    axes.set_ylim(0, 1.25 * axes.get_ylim()[1])
    axes.spines[["top", "right"]].set_visible(False)


def main() -> None:
    pyplot.rcParams |= {"svg.hashsalt": "afa", "svg.fonttype": "path", "font.size": 10}
    figure, both = pyplot.subplots(1, 2, figsize=(7.6, 3.5), layout="constrained")
    for axes, (title, (file, model)) in zip(both, PANELS.items(), strict=True):
        draw_panel(axes, title, [row for row in read_rows(file) if row["model"] == model])
    both[0].set_ylabel("comprehensiveness (more is better)")
    figure.savefig(OUT, metadata={"Date": None})


if __name__ == "__main__":
    main()
