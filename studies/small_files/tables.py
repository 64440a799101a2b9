"""The table of `run.py`, from its figures."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from afa_ray.evaluation.statistics import paired_difference
from studies.jobs import read_rows
from studies.markdown import head, shown

BELOW = 0.01  # how far a cell may be below the bag of words
Cells = dict[tuple[str, int], list[dict[str, Any]]]  # data set and rows: records by seed


def write_table(figures: Path, out: Path) -> None:
    """A row for each data set and number of rows, with means ± 95% t-intervals over seeds."""
    records = read_rows(figures)
    methods = list(dict.fromkeys(name for record in records for name in record["methods"]))
    cells: Cells = {}
    for record in records:
        cells.setdefault((record["data"], record["rows"]), []).append(record)
    lines = table(cells, methods)
    lines += ["", *areas(cells, methods), "", *times(records, methods)]
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def table(cells: Cells, methods: list[str]) -> list[str]:
    """Accuracy; in brackets the mean difference to the better bag of words of that cell."""
    lines = head(["accuracy", "rows", "TF-IDF + LR", *methods])
    gaps: dict[str, list[float]] = {method: [] for method in methods}
    for (data, rows), records in sorted(cells.items()):
        name, best = better(records)
        row = [data, f"{rows:,}", f"{mean(best.values()):.4f} ({name})"]
        for method in methods:
            values = of(records, "accuracy", method)
            if not values:
                row.append("–")
                continue
            seeds = sorted(values)
            gap = paired_difference([values[s] for s in seeds], [best[s] for s in seeds])
            gaps[method].append(gap.mean)
            mark = " **below**" if gap.mean < -BELOW else ""
            row.append(f"{shown(values.values(), 4)} ({gap.mean:+.4f}){mark}")
        lines.append(f"| {' | '.join(row)} |")
    summary = [f"{mean(gap):+.4f}, worst {min(gap):+.4f}" if gap else "–" for gap in gaps.values()]
    return [*lines, f"| mean difference | | | {' | '.join(summary)} |"]


def areas(cells: Cells, methods: list[str]) -> list[str]:
    lines = head(["normalised area", "rows", *methods])
    for (data, rows), records in sorted(cells.items()):
        row = [data, f"{rows:,}"]
        for method in methods:
            values = [v for v in of(records, "normalized_area", method).values() if v is not None]
            row.append(shown(values))
        lines.append(f"| {' | '.join(row)} |")
    return lines


def times(records: list[dict[str, Any]], methods: list[str]) -> list[str]:
    """Processor seconds of training and validation; the machine may have been busy otherwise."""
    sizes = sorted({record["rows"] for record in records})
    lines = head(["processor seconds of training", *methods])
    for rows in sizes:
        some = [record for record in records if record["rows"] == rows]
        cells = []
        for method in methods:
            spent = [r["methods"][method]["cpu_s"] for r in some if method in r["methods"]]
            cells.append(f"{mean(spent):.0f} (at most {max(spent):.0f})" if spent else "–")
        lines.append(f"| {rows:,} rows | {' | '.join(cells)} |")
    return lines


def better(records: list[dict[str, Any]]) -> tuple[str, dict[int, float]]:
    """Which bag of words is better in a cell on the mean, and its accuracy by seed."""
    found = {
        name: {record["seed"]: record["bag_of_words"][name] for record in records}
        for name in records[0]["bag_of_words"]
    }
    name = max(found, key=lambda name: mean(found[name].values()))
    return name, found[name]


def of(records: list[dict[str, Any]], figure: str, method: str) -> dict[int, float]:
    """A figure of a method by seed."""
    return {r["seed"]: r["methods"][method][figure] for r in records if method in r["methods"]}


def mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


if __name__ == "__main__":
    write_table(Path(sys.argv[1]) / "figures.jsonl", Path(sys.argv[1]) / "table.md")
