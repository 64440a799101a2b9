"""Figures of `tune.imbalance`: AUC over training texts, and attention over the length of a text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from afa_ray.evaluation.plots import blank, save
from afa_ray.evaluation.statistics import estimate
from tune.imbalance_measures import POSITIONS
from tune.imbalance_table import Found, of_replicates, values_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def curves_plot(found: Found, methods: Sequence[str], title: str, path: Path) -> None:
    """A panel a share of the rarer class: mean AUC ± 95% t-interval against training texts."""
    shares = list(dict.fromkeys(cell.share for _, cell in found))
    sizes = sorted({cell.size for _, cell in found})
    ticks = sizes[:: 1 + len(sizes) // 5]
    figure = blank((1 + 2.7 * len(shares), 3.2))
    for number, share in enumerate(shares, start=1):
        axes = figure.add_subplot(1, len(shares), number)
        for method in methods:
            _curve(axes, found, method, share)
        axes.set_title(f"{share:g}% of the rarer class", fontsize=10)
        axes.set_xlabel("training texts")
        axes.set_xscale("log")
        axes.set_xticks(ticks, labels=[f"{tick:,}" for tick in ticks])
        axes.minorticks_off()
        low, high = axes.get_ylim()
        axes.set_ylim(max(0, low), min(1.02, high))
        axes.grid(alpha=0.25)
        if number == 1:
            axes.set_ylabel("AUC")
            axes.legend(frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=11, parse_math=False)
    save(figure, path)


def _curve(axes: Axes, found: Found, method: str, share: float) -> None:
    cells = sorted(cell for name, cell in found if (name, cell.share) == (method, share))
    of = [estimate(values_of(found[method, cell], "auc")) for cell in cells]
    axes.errorbar(
        [cell.size for cell in cells], [each.mean for each in of],
        yerr=[each.half_width for each in of], fmt="o-", ms=4, capsize=3, label=method,
    )  # fmt: skip


def places_plot(found: Found, methods: Sequence[str], title: str, path: Path) -> None:
    """Mean attention ± 95% t-interval in each tenth of a text, of every method and of people."""
    figure = blank((5.5, 3.2))
    axes = figure.add_subplot()
    lines = [*((method, method, "") for method in methods), ("people", methods[0], "people_")]
    for label, method, prefix in lines:
        values = [list(of_replicates(found, method, prefix + name).values()) for name in POSITIONS]
        if all(values):
            of = [estimate(each) for each in values]
            spread = [each.half_width for each in of]
            tenths = range(1, len(of) + 1)
            axes.errorbar(tenths, [e.mean for e in of], spread, fmt="o-", ms=3, label=label)
    axes.axhline(1, color="0.7", lw=1, ls="--", zorder=0)
    axes.set_xlabel("tenth of a text")
    axes.set_ylabel("attention, 1 is even")
    axes.legend(frameon=False, fontsize=8)
    axes.grid(alpha=0.25)
    figure.suptitle(title, fontsize=11, parse_math=False)
    save(figure, path)
