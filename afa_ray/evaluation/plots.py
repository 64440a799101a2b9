"""Figures as PNG files."""

from __future__ import annotations

import warnings
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from afa_ray.evaluation.deletion import DeletionCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"plain": "tab:gray", "original": "tab:blue", "contrast": "tab:red"}
OTHERS = ("tab:green", "tab:purple", "tab:orange", "tab:brown", "tab:pink", "tab:olive", "tab:cyan")


def blank(size: tuple[float, float], dpi: int = 150) -> Figure:
    """A figure of that width and height in inches, with nothing in it."""
    from matplotlib.figure import Figure

    return Figure(figsize=size, dpi=dpi, layout="constrained")


def save(figure: Figure, path: Path) -> None:
    """Write a figure; characters that no font here has are boxes, which needs no warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        figure.savefig(path)


def plot_deletion_curve(curve: DeletionCurve, title: str, path: Path) -> None:
    """Accuracy against the number of deleted tokens, by attention beside random deletion."""
    figure = blank((5.5, 3.6))
    axes = figure.add_subplot()
    axes.plot(curve.counts, curve.random, "o--", color="0.55", label="random tokens")
    axes.plot(curve.counts, curve.by_attention, "o-", color="tab:blue", label="top by attention")
    _dress(axes, curve.counts, title)
    axes.set_ylabel("accuracy")
    axes.legend(frameon=False)
    save(figure, path)


def plot_deletion_curves(panels: dict[str, list[tuple[str, dict[str, Any]]]], path: Path) -> None:
    """A panel a data set: its runs' curves by attention (solid) and at random (dashed).

    Args:
        panels: title -> (method, `DeletionCurve.as_dict()`) of each run; a method has one colour.
    """
    methods = dict.fromkeys(method for runs in panels.values() for method, _ in runs)
    colours = dict(zip([m for m in methods if m not in COLOURS], cycle(OTHERS))) | COLOURS
    drawn = {}
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = blank((3.6 * columns, 2.9 * rows), 130)
    for number, (title, runs) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(rows, columns, number)
        for method, curve in runs:
            colour = colours[method]
            (drawn[method],) = axes.plot(curve["counts"], curve["by_attention"], ".-", color=colour)
            axes.plot(curve["counts"], curve["random"], "--", color=colour, alpha=0.4, lw=1)
        _dress(axes, curve["counts"], title)
    figure.legend(
        list(drawn.values()), list(drawn), loc="outside lower center", ncols=6, frameon=False
    )
    save(figure, path)


def _dress(axes: Axes, counts: tuple[int, ...], title: str) -> None:
    axes.set_xticks(counts)
    axes.set_xlabel("deleted tokens")
    axes.set_title(title, parse_math=False)
    axes.grid(alpha=0.25)
