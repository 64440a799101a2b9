"""The tables and the plots of the study, from its figures."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from matplotlib.figure import Figure

from afa_ray.evaluation.plots import save
from studies.jobs import read_rows
from studies.markdown import head, shown
from studies.rivals.methods import DATA, MARKED, OWN, methods_of
from tune.tables import RECONSTRUCTED, Entry, Measurements, entries

Row: TypeAlias = dict[str, Any]
BASELINE = "plain"
MARKERS = "osD^vP*X<>h"  # one more than there are colours, so that pairs differ for long
QUALITY = ("accuracy", "macro precision", "macro recall", "macro F1")
ATTENTION = ("normalised area", "comprehensiveness", "sufficiency", "AUROC", "average precision")
# Liu, arXiv 2512.20661, Table 1: accuracy, macro precision and recall in percent, and macro F1
PUBLISHED: dict[str, dict[str, tuple[float, ...]]] = {
    "ag_news": {
        "plain": (91.87, 91.93, 91.87, 0.92), "as-tfidf": (89.32, 89.31, 89.35, 0.89),
        "sana": (85.12, 85.25, 85.15, 0.85), "das": (91.57, 91.81, 91.60, 0.92),
        "original": (92.12, 92.21, 92.12, 0.92),
    },
    "imdb": {
        "plain": (86.28, 86.65, 86.33, 0.86), "as-tfidf": (88.06, 88.07, 88.11, 0.88),
        "sana": (82.64, 82.66, 82.65, 0.83), "das": (88.32, 88.32, 88.32, 0.88),
        "original": (88.68, 88.67, 88.68, 0.89),
    },
    "sst2": {
        "plain": (90.38, 90.41, 90.10, 0.90), "as-tfidf": (89.32, 89.24, 89.07, 0.89),
        "sana": (85.27, 87.11, 83.74, 0.85), "das": (90.18, 89.93, 90.17, 0.90),
        "original": (91.33, 91.29, 91.15, 0.91),
    },
}  # fmt: skip
PUBLISHED_DELETION = "the accuracy of AFA falls from .9212 to .7328 (ag_news)"
NOTE = f"""Mean ± half-width of the 95% t-interval over seeds. *: other than {BASELINE}, paired by
seed, p < .05 in a t-test that is Holm-corrected over the methods of a column. † our
reconstruction, for lack of its authors' code. "Twice": two readings."""


def write_report(file: Path, out: Path) -> None:
    """`out/table.md`, `out/deletion.png` and `out/people.png`, of what there is."""
    rows = read_rows(file)
    sets = [data for data in DATA if any(row["data"] == data for row in rows)]
    told = [data for data in sets if data not in MARKED]
    parts = ["# Rivals, equally trained", "", NOTE]
    for data in sets:
        parts += ["", f"## {data}", "", *quality(rows, data), "", *attention(rows, data)]
    parts += ["", "## Accuracy after deletion (Figure 3 of the paper)", "", *deletion(rows, sets)]
    parts += ["", "## Means over data sets", "", *means(rows, told)]
    if any(row["method"] == "gaze" for row in rows):
        parts += ["", "## Errors of gaze", "", *errors(rows, "sst2_sentences")]
    parts += ["", "## Cost", "", *cost(rows, sets)]
    (out / "table.md").write_text("\n".join(parts) + "\n", encoding="utf-8")
    if told:
        deletion_plot(rows, told, out / "deletion.png")
    if marked := [data for data in sets if data in MARKED]:
        people_plot(rows, marked, out / "people.png")


def quality(rows: Sequence[Row], data: str) -> list[str]:
    """Accuracy and macro figures in percent, with what was published of the method."""
    theirs = PUBLISHED.get(data, {})
    heads = ["", *QUALITY, "accuracy − plain"]
    heads += ["paper: accuracy", "P", "R", "F1", "accuracy − plain"] * bool(theirs)
    lines = head(heads)
    found = entries_of(rows, data)
    for method in there(rows, data):
        own = [found.get((method, measure)) for measure in QUALITY]
        cells = [*(cell(entry, 100, 2) for entry in own), difference(own[0])]
        if theirs:
            cells += published(theirs, method)
        lines.append(line([named(method), *cells]))
    return lines


def published(theirs: dict[str, tuple[float, ...]], method: str) -> list[str]:
    if method not in theirs:
        return [""] * 5
    values = theirs[method]
    gap = "" if method == BASELINE else f"{values[0] - theirs[BASELINE][0]:+.2f}"
    return [*(f"{value:.2f}" for value in values), gap]


def attention(rows: Sequence[Row], data: str) -> list[str]:
    """What the row of attention is worth: for the decision, and beside people's marks."""
    found = entries_of(rows, data)
    known = [measure for measure in ATTENTION if (BASELINE, measure) in found]
    lines = head(["", *known, "random: comprehensiveness", "sufficiency", "evenness"])
    for method in there(rows, data):
        its = [row for row in rows if (row["data"], row["method"]) == (data, method)]
        cells = [cell(found.get((method, measure)), 1, 3) for measure in known]
        cells += [f"{np.mean([row['random'][i] for row in its]):.3f}" for i in (0, 1)]
        cells.append(f"{np.mean([row['evenness'] for row in its]):.3f}")
        lines.append(line([named(method), *cells]))
    return lines


def deletion(rows: Sequence[Row], sets: Sequence[str]) -> list[str]:
    """Accuracy in percent after 0, 1, 2, … tokens of highest attention are deleted."""
    counts = rows[0]["curve"]["counts"]
    lines = ["Of the texts whose attention is judged. Published, after one token: "]
    lines[0] += PUBLISHED_DELETION + "."
    for data in sets:
        lines += ["", *head([data, *(f"−{count}" for count in counts)])]
        for method in there(rows, data):
            curve = curve_of(rows, data, method)
            lines.append(line([named(method), *(f"{100 * value:.1f}" for value in curve)]))
    return lines


def means(rows: Sequence[Row], sets: Sequence[str]) -> list[str]:
    """Of the sets without marks, where all have the method: by seed, then over seeds."""
    measures = ("accuracy", *ATTENTION[:3])
    values: Measurements = {}
    for method in methods_of(sets[0]) if sets else ():
        of_sets = [by_seed(rows, data).get(method, {}) for data in sets]
        for seed in set.intersection(*(set(of) for of in of_sets)):
            values.setdefault(method, {})[seed] = {
                measure: float(np.mean([of[seed][measure] for of in of_sets]))
                for measure in measures
            }
    if BASELINE not in values:
        return ["No seed has all data sets yet."]
    found = {(entry.group, entry.measure): entry for entry in entries(values, BASELINE)}
    lines = head([", ".join(sets), *measures, "accuracy − plain"])
    for method in values:
        own = [cell(found[method, measure], 1, 3) for measure in measures]
        lines.append(line([named(method), *own, difference(found[method, "accuracy"])]))
    return lines


def cost(rows: Sequence[Row], sets: Sequence[str]) -> list[str]:
    """Processor seconds of training, beside plain training's."""
    lines = head(["processor seconds of training (times plain's)", *sets])
    for method in dict.fromkeys(m for data in sets for m in there(rows, data)):
        cells = []
        for data in sets:
            of = by_seed(rows, data)
            spent, plain = ([x["training seconds"] for x in of.get(m, {}).values()]
                            for m in (method, BASELINE))  # fmt: skip
            ratio = f" ({np.mean(spent) / np.mean(plain):.2f})" if spent and plain else ""
            cells.append(f"{np.mean(spent):.1f}{ratio}" if spent else "")
        lines.append(line([named(method), *cells]))
    return lines


def errors(rows: Sequence[Row], data: str) -> list[str]:
    """How many errors a method has in common with plain training of *other* seeds, and which."""
    known = [row for row in rows if row["data"] == data and "wrong" in row]
    plain = [row for row in known if row["method"] == BASELINE]
    lines = head([data, "errors in common with plain, other seeds (Jaccard)", "missed positives"])
    for method in (BASELINE, "gaze"):
        its = [row for row in known if row["method"] == method]
        common = [
            float(np.mean([jaccard(row["wrong"], other["wrong"]) for other in others]))
            for row in its
            if (others := [each for each in plain if each["seed"] != row["seed"]])
        ]
        missed = [row["missed"] for row in its]
        lines.append(line([named(method), *(shown(values) for values in (common, missed))]))
    return [*lines, "", "Missed positives: their share of the errors."]


def jaccard(first: str, second: str) -> float:
    """Of two sets as bits in hexadecimal digits."""
    a, b = int(first, 16), int(second, 16)
    return (a & b).bit_count() / max(1, (a | b).bit_count())


def deletion_plot(rows: Sequence[Row], sets: Sequence[str], path: Path) -> None:
    """Accuracy over deleted tokens, a panel a data set; grey: random tokens, of plain."""
    figure = Figure(figsize=(1.5 + 3 * len(sets), 3.4), dpi=130, layout="constrained")
    for number, data in enumerate(sets, start=1):
        axes = figure.add_subplot(1, len(sets), number)
        for method in there(rows, data):
            curve = curve_of(rows, data, method)
            axes.plot(rows[0]["curve"]["counts"], curve, "o-", ms=3, label=method)
        if BASELINE in there(rows, data):
            by_chance = curve_of(rows, data, BASELINE, "random")
            axes.plot(rows[0]["curve"]["counts"], by_chance, "--", c="0.6")
        axes.set(title=data, xlabel="deleted tokens", ylabel="accuracy" if number == 1 else "")
        axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, path)


def people_plot(rows: Sequence[Row], sets: Sequence[str], path: Path) -> None:
    """Plausible over faithful: AUROC against people's marks over comprehensiveness."""
    figure = Figure(figsize=(3 + 4 * len(sets), 3.8), dpi=130, layout="constrained")
    runs_of = {data: by_seed(rows, data) for data in sets}
    points: dict[str, dict[str, Any]] = {}
    for number, method in enumerate(dict.fromkeys(chain(*runs_of.values()))):
        points[method] = {"color": f"C{number}", "marker": MARKERS[number % len(MARKERS)]}
    for number, (data, of_methods) in enumerate(runs_of.items(), start=1):
        axes = figure.add_subplot(1, len(sets), number)
        for method, runs in of_methods.items():
            figures = [(run["comprehensiveness"], run["AUROC"]) for run in runs.values()]
            axes.plot(*np.mean(figures, axis=0), **points[method], linestyle="", label=method)
        axes.set(title=data, xlabel="comprehensiveness: faithful", ylabel="AUROC: plausible")
        axes.margins(0.1)
        axes.grid(alpha=0.25)
    named = {
        text: point
        for axes in figure.axes
        for point, text in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(named.values(), named, loc="outside right upper", fontsize=8)
    save(figure, path)


def entries_of(rows: Sequence[Row], data: str) -> dict[tuple[str, str], Entry]:
    """Of a data set, by method and measure."""
    return {(e.group, e.measure): e for e in entries(by_seed(rows, data), BASELINE)}


def by_seed(rows: Sequence[Row], data: str) -> Measurements:
    """Measures of the runs on a data set: by method, in the study's order, and by seed."""
    found: Measurements = {method: {} for method in methods_of(data)}
    for row in rows:
        if row["data"] == data:
            found.setdefault(row["method"], {})[row["seed"]] = row["measures"]
    return {method: runs for method, runs in found.items() if runs}


def there(rows: Sequence[Row], data: str) -> list[str]:
    return list(by_seed(rows, data))


def curve_of(rows: Sequence[Row], data: str, method: str, by: str = "attention") -> list[float]:
    curves = [row["curve"][by] for row in rows if (row["data"], row["method"]) == (data, method)]
    return np.mean(curves, 0).tolist() if curves else []


def named(method: str) -> str:
    """With a mark where the method is our reconstruction."""
    rebuilt = RECONSTRUCTED | OWN.keys()
    return method + " †" * any(part.strip(",") in rebuilt for part in method.split())


def cell(entry: Entry | None, factor: float, digits: int) -> str:
    if entry is None:
        return "–"
    of = entry.value
    star = "" if entry.p_holm is None or not entry.p_holm < 0.05 else " *"
    width = "" if math.isnan(of.half_width) else f" ± {factor * of.half_width:.{digits}f}"
    return f"{factor * of.mean:.{digits}f}{width}{star}"


def difference(entry: Entry | None) -> str:
    """In points of a hundred, with its interval."""
    if entry is None or entry.difference is None:
        return ""
    of = entry.difference
    width = "" if math.isnan(of.half_width) else f" ± {100 * of.half_width:.2f}"
    return f"{100 * of.mean:+.2f}{width}"


def line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    write_report(Path(sys.argv[1]) / "figures.jsonl", Path(sys.argv[1]))
