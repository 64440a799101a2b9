"""The tables of the comparison: methods by model, data set and form, means over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from afa_ray.evaluation.statistics import estimate

FIGURES = ("comprehensiveness", "sufficiency", "deletion area", "AUROC", "average precision", "tau",
           "seconds a text")  # fmt: skip


def tables(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown: a table for each (model, set, form), the most comprehensive method first."""
    lines: list[str] = []
    for case in dict.fromkeys(sorted((row["model"], row["set"], row["form"]) for row in rows)):
        its = [row for row in rows if (row["model"], row["set"], row["form"]) == case]
        seeds = sorted({row["seed"] for row in its})
        lines += [
            f"### {', '.join(case)}; seeds {', '.join(map(str, seeds))}",
            "",
            f"| method | {' | '.join(FIGURES)} |",
            "|---" * (len(FIGURES) + 1) + "|",
        ]
        given = [row for row in its if "refused" not in row]
        for method in _in_order(given):
            own = [row for row in given if row["method"] == method]
            lines.append(f"| {method} | {' | '.join(_cell(own, name) for name in FIGURES)} |")
        lines.append("")
    return "\n".join(lines)


def _in_order(rows: Sequence[dict[str, Any]]) -> list[str]:
    best: dict[str, list[float]] = {}
    for row in rows:
        best.setdefault(row["method"], []).append(row["comprehensiveness"])
    return sorted(best, key=lambda method: -sum(best[method]) / len(best[method]))


def _cell(rows: Sequence[dict[str, Any]], name: str) -> str:
    """Mean ± 95% t-interval over the seeds; a time without one."""
    values = [row[name] for row in rows if row[name] is not None]
    if not values:
        return ""
    of = estimate(values)
    if name == "seconds a text" or math.isnan(of.half_width):
        return f"{of.mean:.3f}"
    return f"{of.mean:.3f} ± {of.half_width:.3f}"
