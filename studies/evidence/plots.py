"""Differences to the baseline as a PNG file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from afa_ray.evaluation.plots import save
from afa_ray.evaluation.statistics import Difference


def differences_plot(
    differences: Mapping[str, Mapping[str, Difference]], title: str, path: Path
) -> None:
    """A panel a method: on each data set the mean difference with its 95% t-interval.

    Args:
        differences: data set -> method -> difference to the baseline, which is the dashed line.
    """
    methods = list(dict.fromkeys(name for found in differences.values() for name in found))
    data_sets = list(differences)
    size = (1.4 + 2.2 * len(methods), 1.2 + 0.3 * len(data_sets))
    figure = Figure(figsize=size, dpi=150, layout="constrained")
    for number, method in enumerate(methods, start=1):
        axes = figure.add_subplot(1, len(methods), number)
        axes.axvline(0, color="0.7", lw=1, ls="--", zorder=0)
        for place, data in enumerate(data_sets):
            one = differences[data].get(method)
            if one is not None:
                axes.errorbar(
                    one.mean, -place, xerr=one.half_width, fmt="s", ms=4, capsize=3, c="tab:blue"
                )
        names = data_sets if number == 1 else [""] * len(data_sets)
        axes.set_yticks([-i for i in range(len(data_sets))], names, parse_math=False)
        axes.set_ylim(0.6 - len(data_sets), 0.4)
        axes.set_title(method, fontsize=10, parse_math=False)
        axes.tick_params(axis="x", labelsize=8)
        axes.locator_params(axis="x", nbins=4)
        axes.grid(axis="x", alpha=0.25)
    figure.suptitle(title, fontsize=11, parse_math=False)
    save(figure, path)
