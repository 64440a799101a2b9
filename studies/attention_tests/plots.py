"""The plots of the study: adversarial attention, permutations, and our question."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from afa_ray.evaluation.statistics import estimate
from studies.attention_tests.tables import OURS, Row, cases, sets_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMS = {"plain": "0.55", "original": "C2", "contrast": "C0", "explainable": "C1"}


def plot_all(rows: list[Row], out: Path) -> None:
    """`correlation.png`, `adversarial.png` and `permutation.png` of Jain and Wallace's part,
    `ours.png` of ours."""
    asked = [r for r in rows if r["part"] == "jain_wallace" and r["scorer"] == "additive"]
    if asked:
        _grid(asked, out / "correlation.png", _correlation, "tau with gradients (Figure 2)")
        _grid(asked, out / "adversarial.png", _adversarial, "ε-max JSD (Figure 6)")
        _grid(asked, out / "permutation.png", _permutation, "greatest weight (Figures 4 and 5)")
    ours = [row for row in rows if row["part"] == "ours"]
    if ours:
        _ours(ours, out / "ours.png")


def _grid(rows: list[Row], file: Path, draw: Callable[[Axes, list[Row]], None], below: str) -> None:
    """A row for each set, a column for each encoder."""
    import matplotlib.pyplot as plt

    sets, models = sets_of(rows), list(dict.fromkeys(row["model"] for row in rows))
    figure, axes = plt.subplots(
        len(sets), len(models), figsize=(2.6 * len(models), 1.5 * len(sets)),
        sharex=True, squeeze=False, layout="constrained",
    )  # fmt: skip
    for line, data in zip(axes, sets, strict=True):
        line[0].set_ylabel(data, fontsize=7)
        for place, model in zip(line, models, strict=True):
            its = [row for row in rows if (row["data"], row["model"]) == (data, model)]
            place.tick_params(labelsize=6)
            if its:
                draw(place, its)
    for place, model in zip(axes[0], models, strict=True):
        place.set_title(model, fontsize=8)
    figure.supxlabel(below, fontsize=8)
    _save(figure, file)


def _correlation(place: Axes, rows: list[Row]) -> None:
    """Texts by tau of attention and gradients."""
    pair = "attention and gradient"
    counts = np.sum([row["correlation"]["pairs"][pair]["histogram"] for row in rows], 0)
    edges = np.linspace(-1, 1, len(counts) + 1)
    place.bar(edges[:-1], counts / max(1, counts.sum()), np.diff(edges), align="edge", color="C0")


def _adversarial(place: Axes, rows: list[Row]) -> None:
    """Texts by how far their attention can be moved with the decision the same."""
    counts = np.sum([row["adversarial"]["histogram"] for row in rows], 0)
    edges = np.linspace(0, math.log(2), len(counts) + 1)
    place.bar(edges[:-1], counts / counts.sum(), edges[1], align="edge", color="C0")


def _permutation(place: Axes, rows: list[Row]) -> None:
    """Quartiles of how far the decision moves, by the greatest weight in the text; seeds beside
    each other."""
    for shift, row in enumerate(rows):
        for each in row["permutation"]["by_greatest_attention"]:
            if each["quartiles"]:
                middle = (each["from"] + each["to"]) / 2 + 0.04 * (shift - (len(rows) - 1) / 2)
                low, median, high = each["quartiles"]
                place.plot([middle, middle], [low, high], color="C0", linewidth=1)
                place.plot(middle, median, "o", color="C0", markersize=3)
    place.set(xlim=(0, 1), ylim=(0, 1))


def _ours(rows: list[Row], file: Path) -> None:
    """A row for each set, a column for each figure; forms beside each other, by model."""
    import matplotlib.pyplot as plt

    sets = sets_of(rows)
    figure, axes = plt.subplots(
        len(sets), len(OURS), figsize=(2.5 * len(OURS), 2.2 * len(sets)), squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for line, data in zip(axes, sets, strict=True):
        line[0].set_ylabel(data, fontsize=8)
        models = list(dict.fromkeys(model for (model,) in cases(rows, data, "model")))
        for place, (name, (figure_of, sign)) in zip(line, OURS.items(), strict=True):
            for shift, (form, color) in enumerate(FORMS.items()):
                for i, model in enumerate(models):
                    case = (data, model, form)
                    values = [
                        figure_of(r) for r in rows if (r["data"], r["model"], r["form"]) == case
                    ]
                    if values:
                        mean = estimate(values)
                        half = 0.0 if math.isnan(mean.half_width) else mean.half_width
                        place.errorbar(i + 0.17 * (shift - 1.5), mean.mean, half, fmt="o",
                                       color=color, markersize=3, linewidth=1)  # fmt: skip
            place.set_xticks(range(len(models)), models, fontsize=7, rotation=30)
            place.tick_params(axis="y", labelsize=6)
            place.set_title(f"{name} {'↑' if sign > 0 else '↓'}", fontsize=8)
    marks = [plt.Line2D([], [], marker="o", linestyle="", color=c, label=f)
             for f, c in FORMS.items()]  # fmt: skip
    figure.legend(handles=marks, loc="outside lower center", ncols=len(FORMS), fontsize=8)
    _save(figure, file)


def _save(figure: Any, file: Path) -> None:
    import matplotlib.pyplot as plt

    figure.savefig(file, dpi=120)
    plt.close(figure)
