"""The tables and the plot of the study, from its figures."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from afa_ray.evaluation.statistics import holm, paired_difference
from studies.jobs import read_rows
from studies.markdown import head, shown

Row: TypeAlias = dict[str, Any]
REFERENCE = ("plain", "ig")
"""What a row should be as faithful as: integrated gradients on the plainly trained model."""
WITHIN = 0.01
ROWS = ("attention", "attention_x_gradient", "attention_ig", "layers_ig", "attn_lrp", "ig")
SHOWN = (
    *(("plain", method) for method in (*ROWS, "leave_one_out")),
    *(("explainable", method) for method in ROWS),
)
JUDGED = tuple(
    (form, method, other)
    for form, other in (("plain", "explainable"), ("explainable", "plain"))
    for method in ("attention", "attention_ig", "ig")
)
WAYS = {
    "deleted": "deleted",
    "exchanged": "exchanged for words of other texts",
    "masked": "exchanged for [MASK]",
}


def write_report(file: Path, out: Path) -> None:
    """`out/table.md` and, for each model, `out/cost-MODEL.png`."""
    rows = [row for row in read_rows(file) if "refused" not in row]
    parts = []
    for model in dict.fromkeys(row["model"] for row in rows):
        its = [row for row in rows if row["model"] == model]
        parts += [f"## {model}", "", *quality(its), ""]
        for way in (way for way in WAYS if any(way in row for row in its)):
            parts += [f"### Words {WAYS[way]}", "", *figures(its, way), ""]
        if any(f"judged by {other}" in row for row in its for _, _, other in JUDGED):
            parts += ["### The other form as the judge", "", *judged(its), ""]
        parts += ["### Held against integrated gradients on plain", "", *against(its), ""]
        plot(its, out / f"cost-{model}.png")
    (out / "table.md").write_text("\n".join(parts), encoding="utf-8")


def cases(rows: Iterable[Row]) -> list[tuple[str, str]]:
    """(form, method) of `SHOWN` that there are figures of."""
    found = {(row["form"], row["method"]) for row in rows}
    return [case for case in SHOWN if case in found]


def sets_of(rows: Iterable[Row]) -> list[str]:
    return sorted({row["data"] for row in rows})


def values(rows: list[Row], data: str, form: str, method: str, *path: Any) -> dict[int, float]:
    """A figure by seed, of the rows that have it."""
    found = {}
    for row in rows:
        if (row["data"], row["form"], row["method"]) == (data, form, method) and path[0] in row:
            value: Any = row
            for step in path:
                value = value[step]
            found[row["seed"]] = value
    return found


def quality(rows: list[Row]) -> list[str]:
    """Accuracy of the forms, and processor seconds of training."""
    forms = list(dict.fromkeys(row["form"] for row in rows))
    lines = head(("data", *(f"accuracy, {f}" for f in forms), *(f"seconds, {f}" for f in forms)))
    for data in sets_of(rows):
        cells = [
            shown(values(rows, data, form, "attention", name).values(), digits)
            for name, digits in (("accuracy", 3), ("train_s", 0))
            for form in forms
        ]
        lines.append(f"| {data} | {' | '.join(cells)} |")
    return lines


def figures(rows: list[Row], way: str) -> list[str]:
    """Comprehensiveness / sufficiency by data set; the mean over sets last."""
    shown_cases = cases(rows)
    lines = head(("data", *(f"{method}, {form}" for form, method in shown_cases)))
    columns: dict[tuple[str, str], list[tuple[float, float]]] = {case: [] for case in shown_cases}
    for data in sets_of(rows):
        cells = []
        for case in shown_cases:
            both = [list(values(rows, data, *case, way, i).values()) for i in (0, 1)]
            cells.append(f"{shown(both[0])} / {shown(both[1])}")
            if both[0]:
                columns[case].append((float(np.mean(both[0])), float(np.mean(both[1]))))
        lines.append(f"| {data} | {' | '.join(cells)} |")
    means = [np.mean(columns[case], 0) for case in shown_cases]
    return [*lines, f"| mean | {' | '.join(f'{a:.3f} / {b:.3f}' for a, b in means)} |"]


def judged(rows: list[Row]) -> list[str]:
    """Comprehensiveness / sufficiency by the other form's probabilities."""
    lines = head(("data", *(f"{method} of {form}, judged by {o}" for form, method, o in JUDGED)))
    for data in sets_of(rows):
        cells = []
        for form, method, other in JUDGED:
            name = f"judged by {other}"
            both = [values(rows, data, form, method, name, i).values() for i in (0, 1)]
            cells.append(f"{shown(both[0])} / {shown(both[1])}")
        lines.append(f"| {data} | {' | '.join(cells)} |")
    return lines


def against(rows: list[Row]) -> list[str]:
    """In how many sets a method is as faithful as the reference, in both figures.

    As faithful: not more than `WITHIN` worse in the mean. Worse, established: paired by seed, p
    < .05 after Holm's correction over the sets.
    """
    lines = head(
        (
            "explanation",
            "comprehensiveness",
            "sufficiency",
            "as faithful in both",
            "worse, established",
        )
    )
    for form, method in cases(rows):
        if (form, method) == REFERENCE:
            continue
        gaps, good, p_values = [], 0, []
        for data in sets_of(rows):
            pair = [
                paired(rows, data, (form, method), sign, i) for i, sign in ((0, 1.0), (1, -1.0))
            ]
            gaps.append([one.mean for one in pair])
            good += all(one.mean >= -WITHIN for one in pair)
            p_values += [one.p if one.mean < 0 and not np.isnan(one.p) else 1.0 for one in pair]
        worse = sum(p < 0.05 for p in holm(p_values))
        means = " | ".join(f"{gap:+.3f}" for gap in np.mean(gaps, 0))
        lines.append(f"| {method}, {form} | {means} | {good} of {len(gaps)} | {worse} |")
    return lines


def paired(rows: list[Row], data: str, case: tuple[str, str], sign: float, figure: int) -> Any:
    """Difference to the reference by seed, above 0 where the case is better."""
    ours, theirs = (values(rows, data, *c, "deleted", figure) for c in (case, REFERENCE))
    seeds = sorted(ours.keys() & theirs.keys())
    return paired_difference([sign * ours[s] for s in seeds], [sign * theirs[s] for s in seeds])


def cost(rows: list[Row], form: str, method: str) -> float:
    """What an explanation costs, in predictions with their attention: the median over sets and
    seeds, each on the machine that it was measured on."""
    seconds = {
        (row["data"], row["seed"], row["method"]): row["seconds"]
        for row in rows
        if row["form"] == form
    }
    ratios = [
        its / seconds[data, seed, "attention"]
        for (data, seed, name), its in seconds.items()
        if name == method and (data, seed, "attention") in seconds
    ]
    return float(np.median(ratios))


def plot(rows: list[Row], file: Path) -> None:
    """Comprehensiveness over cost, means over sets and seeds."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for form, marker, below in (("plain", "o", False), ("explainable", "s", True)):
        for method in dict.fromkeys(row["method"] for row in rows if row["form"] == form):
            its = [row for row in rows if (row["form"], row["method"]) == (form, method)]
            at = max(0.01, cost(rows, form, method)), np.mean([row["deleted"][0] for row in its])
            ours = method.startswith("attention") or method == "layers_ig"
            color = "C1" if ours and below else "C0" if ours else "0.6"
            axes.plot(*at, marker, color=color)
            if form == "plain" or method == "attention":
                place: dict[str, Any] = {
                    "xytext": (5, -10 if ours else 4),
                    "textcoords": "offset points",
                }
                axes.annotate(method, at, fontsize=7, **place)
    axes.set(
        xscale="log", xlabel="cost, in predictions", ylabel="comprehensiveness", ylim=(0, None)
    )
    axes.set_title("circles: trained plainly; squares: explainable", fontsize=9)
    figure.savefig(file, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    write_report(Path(sys.argv[1]) / "figures.jsonl", Path(sys.argv[1]))
