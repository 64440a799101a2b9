"""Draws the figure of normalised areas from a table of the study that it is of:

`python -m docs.area_figure studies/evidence/results/two-readings/tables.md`
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from matplotlib import pyplot

OUT = Path(__file__).parent / "explanation" / "area.svg"
ROW = re.compile(r"\| (\S+) \| ([\d.]+) ± ([\d.]+) \| ([\d.]+) ± ([\d.]+) ")
COLOURS = {"plain training": "#8a8f98", "explainable": "#1f6feb"}


def areas(tables: Path) -> list[tuple[str, list[tuple[float, float]]]]:
    """Data set, and (mean, half of the 95% interval) of the normalised area of both methods."""
    section = tables.read_text(encoding="utf-8").split("### normalised area\n")[1].split("###")[0]
    found = [
        (name, [(float(mean), float(half)) for mean, half in zip(n[::2], n[1::2], strict=True)])
        for name, *n in ROW.findall(section)
    ]
    return sorted(found, key=lambda row: -row[1][1][0])


def draw(tables: Path) -> None:
    rows = areas(tables)
    pyplot.rcParams |= {"svg.hashsalt": "afa", "svg.fonttype": "path", "font.size": 10}
    figure, axes = pyplot.subplots(figsize=(7.6, 3.5), layout="constrained")
    for method, (label, colour) in enumerate(COLOURS.items()):
        for y, (_, both) in enumerate(rows):
            mean, half = both[method]
            axes.errorbar(
                mean, y + 0.12 - 0.24 * method, xerr=half, color=colour, fmt="o", capsize=2.5,
                markersize=5, label=label if y == 0 else None,
            )  # fmt: skip
    axes.axvline(1, color="black", linewidth=0.8, linestyle="--")
    axes.text(1.002, len(rows) - 0.55, "chance", fontsize=9)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set_xlabel("normalised deletion area (less is better)")
    axes.set_ylim(-0.6, len(rows) - 0.1)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower left", frameon=False)
    figure.savefig(OUT, metadata={"Date": None})


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
