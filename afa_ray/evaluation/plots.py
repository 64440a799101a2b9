"""Figures as PNG files."""

from __future__ import annotations

from pathlib import Path

from afa_ray.evaluation.deletion import DeletionCurve


def plot_deletion_curve(curve: DeletionCurve, title: str, path: Path) -> None:
    """Accuracy against the number of deleted tokens, by attention beside random deletion."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5, 3.6), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    axes.plot(curve.counts, curve.random, "o--", color="0.55", label="random tokens")
    axes.plot(curve.counts, curve.by_attention, "o-", color="tab:blue", label="top by attention")
    axes.set_xticks(curve.counts)
    axes.set_xlabel("deleted tokens")
    axes.set_ylabel("test accuracy")
    axes.set_title(title)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    figure.savefig(path)
