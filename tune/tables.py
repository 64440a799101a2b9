"""From the results of many runs to tables: means with intervals, and paired differences."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from afa_ray.evaluation.statistics import Difference, Estimate, estimate, holm, paired_difference
from afa_ray.json_files import as_json, finite
from afa_ray.supervision import METHODS
from afa_ray.whole_files import write_whole

MEASURES = {
    "accuracy": ("test", "accuracy"),
    "macro precision": ("test", "macro_precision"),
    "macro recall": ("test", "macro_recall"),
    "macro F1": ("test", "macro_f1"),
    "deletion area": ("deletion_curve", "area_by_attention"),
    "normalised area": ("deletion_curve", "normalized_area"),
    "comprehensiveness": ("faithfulness", "comprehensiveness"),
    "sufficiency": ("faithfulness", "sufficiency"),
    "AUROC": ("agreement", "auroc"),
    "average precision": ("agreement", "average_precision"),
    "accuracy with words deleted": ("robustness", "random_deletion"),
    "accuracy with typos": ("robustness", "typos"),
    "training seconds": ("training", "seconds"),
}
RECONSTRUCTED = set(METHODS) - {"none", "as-random"}  # the latter a control, and nobody's method
MAIN = ("accuracy", "macro F1", "normalised area", "AUROC")  # the measures of plots and terminals
Measurements = dict[str, dict[int, dict[str, float]]]  # group -> seed -> measure -> value


@dataclass(frozen=True)
class Entry:
    """One measure of one group of runs (a method, or a value of a setting), beside the baseline.

    `difference` is that of the runs with equal seeds, `p_holm` its p-value corrected for the other
    groups' comparisons of this measure; both None for the baseline itself.
    """

    group: str
    measure: str
    value: Estimate
    difference: Difference | None
    p_holm: float | None


def measured(result: Mapping[str, Any]) -> dict[str, float]:
    """The measures of a run's `result.json`; those that its data do not have are left out."""
    found = {name: (result.get(part) or {}).get(key) for name, (part, key) in MEASURES.items()}
    return {name: value for name, value in found.items() if value is not None}


def entries(values: Measurements, baseline: str) -> list[Entry]:
    """Every measure of every group, in the order of `MEASURES` and of `values`."""
    return [entry for measure in MEASURES for entry in _entries_of(measure, values, baseline)]


def _entries_of(measure: str, values: Measurements, baseline: str) -> list[Entry]:
    """One measure: a family of comparisons with the baseline."""
    by_seed = {
        group: {seed: found[measure] for seed, found in runs.items() if measure in found}
        for group, runs in values.items()
    }
    by_seed = {group: runs for group, runs in by_seed.items() if runs}
    differences = {
        group: against(runs, by_seed[baseline])
        for group, runs in by_seed.items()
        if group != baseline and by_seed.get(baseline, {}).keys() & runs.keys()
    }
    corrected = dict(zip(differences, holm([d.p for d in differences.values()]), strict=True))
    return [
        Entry(
            group,
            measure,
            estimate(list(runs.values())),
            differences.get(group),
            corrected.get(group),
        )
        for group, runs in by_seed.items()
    ]


def against(runs: Mapping[int, float], baseline: Mapping[int, float]) -> Difference:
    both = sorted(runs.keys() & baseline.keys())
    return paired_difference([runs[s] for s in both], [baseline[s] for s in both])


def markdown(found: Sequence[Entry], heading: str, baseline: str) -> str:
    """Two tables, a row a group: mean ± 95% interval; difference to the baseline and p-value.

    Args:
        found: of as many measures as there shall be columns.
    """
    groups = list(dict.fromkeys(entry.group for entry in found))
    measures = list(dict.fromkeys(entry.measure for entry in found))
    at = {(entry.group, entry.measure): entry for entry in found}
    head = f"| {' | '.join([heading, *measures])} |\n{'|---' * (len(measures) + 1)}|"
    means = [
        [_with_count(group, found), *(_mean(at.get((group, measure))) for measure in measures)]
        for group in groups
    ]
    compared = [group for group in groups if any(e.difference for e in found if e.group == group)]
    differences = [
        [group, *(_difference(at.get((group, measure))) for measure in measures)]
        for group in compared
    ]
    parts = ["Mean ± half-width of the 95% t-interval over seeds.", "", head, *_rows(means)]
    if differences:
        parts += [
            "",
            f"Difference to {baseline}, paired by seed, ± 95% t-interval, and in brackets the "
            "p-value of the paired t-test, Holm-corrected over the rows of a column.",
            "",
            head,
            *_rows(differences),
        ]
    if rebuilt := [group for group in groups if group in RECONSTRUCTED]:
        parts += ["", f"Reconstructions, for lack of their authors' code: {', '.join(rebuilt)}."]
    return "\n".join(parts) + "\n"


def _with_count(group: str, found: Sequence[Entry]) -> str:
    """The group's name, with the number of its runs where not all groups have equally many."""
    counts = {entry.group: entry.value.count for entry in found}
    return group if len(set(counts.values())) == 1 else f"{group} (n = {counts[group]})"


def _rows(cells: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in cells]


def _mean(entry: Entry | None) -> str:
    if entry is None:
        return "–"
    return f"{entry.value.mean:.4f}{plus_minus(entry.value)}"


def _difference(entry: Entry | None) -> str:
    if entry is None or entry.difference is None or entry.p_holm is None:
        return "–"
    p = "" if math.isnan(entry.p_holm) else f" ({p_text(entry.p_holm)})"
    return f"{entry.difference.mean:+.4f}{plus_minus(entry.difference)}{p}"


def plus_minus(of: Estimate) -> str:
    return "" if math.isnan(of.half_width) else f" ± {of.half_width:.4f}"


def p_text(value: float) -> str:
    return "p < .001" if value < 0.001 else f"p = {value:.3f}".replace("0.", ".")


def main_measures(found: Sequence[Entry]) -> list[Entry]:
    """The entries of the main measures."""
    return [entry for entry in found if entry.measure in MAIN]


def write_tables(folder: Path, values: Measurements, baseline: str, heading: str) -> list[Entry]:
    """Write `table.md`, `table.csv` and `results.json`, which has every run's values.

    Prints the main measures.
    """
    found = entries(values, baseline)
    write_whole(folder / "table.md", markdown(found, heading, baseline))
    print(f"\n{markdown(main_measures(found), heading, baseline)}")
    flat = [finite(_flat(entry)) for entry in found]
    csv_text = io.StringIO(newline="")
    writer = csv.DictWriter(csv_text, list(flat[0]))
    writer.writeheader()
    writer.writerows(flat)
    write_whole(folder / "table.csv", csv_text.getvalue())
    content = {"baseline": baseline, "table": flat, "runs": values}
    write_whole(folder / "results.json", as_json(content, indent=1))
    return found


def means(found: Sequence[Entry]) -> dict[str, float]:
    """Means by group and measure, such as plain/test/macro_f1: as the runs' own at MLflow."""
    return {f"{e.group}/{figure_name(e.measure)}".replace("=", " "): e.value.mean for e in found}


def figure_name(measure: str) -> str:
    """The name at MLflow of the figure that a table calls `measure`."""
    part, name = MEASURES[measure]
    if (part, name) == ("training", "seconds"):
        return "time/train_s"
    return f"{part.removesuffix('_curve')}/{name}"


def _flat(entry: Entry) -> dict[str, Any]:
    """An entry as one record of plain values."""
    none = dict.fromkeys(("mean", "half_width", "count", "p"))
    difference = none if entry.difference is None else asdict(entry.difference)
    return {
        "group": entry.group,
        "measure": entry.measure,
        **asdict(entry.value),
        **{f"difference_{name}": value for name, value in difference.items() if name != "p"},
        "p": difference["p"],
        "p_holm": entry.p_holm,
    }
