"""The tables and the plots of the study, from its figures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, TypeAlias

from studies.jobs import read_rows
from tune.imbalance_draws import Cell
from tune.imbalance_plots import curves_plot, places_plot
from tune.imbalance_table import as_tables

Found: TypeAlias = dict[tuple[str, Cell], dict[int, dict[str, float]]]
CLASSES = ("negative", "positive")


def write_report(file: Path, out: Path) -> None:
    """`table…md`, `curves…png` and `places…png` in `out`, one of each for every model, part of the
    data set and number of readings: all methods at all sizes and shares."""
    kinds: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for row in grid_rows(file):
        kinds.setdefault((row["model"], row["part"], row["readings"]), []).append(row)
    for (model, part, readings), some in kinds.items():
        found, methods = found_of(some), list(dict.fromkeys(row["method"] for row in some))
        name = "".join(
            f"-{words}"
            for words, usual in ((model, "single"), (part, "all"), (str(readings), "1"))
            if words != usual
        )
        title = f"{model}, yelp_hat ({part}), readings: {readings}"
        text = f"# {title}\n\n{as_tables(found, methods, part, CLASSES)}"
        if "humal-an-evenly" in methods:
            text += "humal-an-evenly, a reconstruction, too, is humal-an divided by 3.\n"
        (out / f"table{name}.md").write_text(text, encoding="utf-8")
        curves_plot(found, methods, title, out / f"curves{name}.png")
        places_plot(found, methods, title, out / f"places{name}.png")


def grid_rows(file: Path) -> list[dict[str, Any]]:
    """The lines of `figures.jsonl`, whose model is the single layer where none is named."""
    return [{"model": "single", **row} for row in read_rows(file)]


def found_of(rows: list[dict[str, Any]]) -> Found:
    """Figures by method, cell and replicate; cells in the order of their sizes and shares."""
    found: Found = {}
    for row in sorted(rows, key=lambda row: (row["size"], row["share"], row["replicate"])):
        cell = Cell(row["size"], row["share"])
        found.setdefault((row["method"], cell), {})[row["replicate"]] = row["figures"]
    return found


if __name__ == "__main__":
    write_report(Path(sys.argv[1]) / "figures.jsonl", Path(sys.argv[1]))
