"""`python -m studies.evidence.report FOLDER OUT`: the evidence of all data sets together.

Reads what `studies.evidence.search` or `tune.compare` left in `FOLDER/*/`; writes `tables.md`,
`accuracy.png`, `deletion.png` and `curves.png` to OUT. p-values are Holm-corrected over all data
sets of a method: a method is one hypothesis, "not as the baseline anywhere", and methods are read
one by one. One method more is `feedback`, where something was chosen: on each data set that method
with adversarial feedback which validation preferred.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from afa_ray.evaluation.plots import plot_deletion_curves
from afa_ray.evaluation.statistics import Difference, Estimate, estimate, holm
from afa_ray.records.run_folder import RESULT
from afa_ray.whole_files import write_whole
from studies.evidence.plots import differences_plot
from studies.evidence.search import CHOSEN
from tune.space import describe
from tune.tables import MEASURES, against, p_text, plus_minus

RESULTS = "results.json"
SIGNIFICANT = 0.05
FEEDBACK = "feedback"


@dataclass(frozen=True)
class Cell:
    """A measure of a method on a data set: over seeds, and against the baseline, corrected."""

    value: Estimate
    difference: Difference | None = None
    p_holm: float = math.nan

    @property
    def is_established(self) -> bool:
        return self.p_holm < SIGNIFICANT

    def text(self) -> str:
        value = f"{self.value.mean:.4f}{plus_minus(self.value)}"
        if self.difference is None:
            return value
        difference = f"{self.difference.mean:+.4f}{plus_minus(self.difference)}"
        against = f"{difference}, {p_text(self.p_holm)}"
        return f"{value} ({f'**{against}**' if self.is_established else against})"


Runs = dict[str, dict[str, dict[int, dict[str, float]]]]  # data -> method -> seed -> measure
Table = dict[str, dict[str, Cell]]  # data -> method -> cell


def studies(folder: Path) -> dict[str, Path]:
    """The folder of each data set's study that has ended."""
    found = [file.parent for file in sorted(folder.glob(f"*/{RESULTS}"))]
    return {study.name.removeprefix("evidence-"): study for study in found}


def read(folder: Path) -> tuple[Runs, str]:
    """The runs of every data set, and the baseline."""
    runs: Runs = {}
    baseline = ""
    for data, study in studies(folder).items():
        content = json.loads((study / RESULTS).read_text(encoding="utf-8"))
        baseline = content["baseline"]
        runs[data] = {
            method: {int(seed): values for seed, values in found.items()}
            for method, found in content["runs"].items()
        }
    for data, method in preferred(folder).items():
        runs[data][FEEDBACK] = runs[data][method]
    return runs, baseline


def choices(folder: Path) -> dict[str, dict[str, Any]]:
    """What was chosen on validation, where anything was: data -> method -> `chosen.json`."""
    return {
        data: json.loads((study / CHOSEN).read_text(encoding="utf-8"))
        for data, study in studies(folder).items()
        if (study / CHOSEN).exists()
    }


def preferred(folder: Path) -> dict[str, str]:
    """The method with adversarial feedback that was the most accurate on validation, by data."""
    found = {}
    for data, methods in choices(folder).items():
        accuracy = {m: c["accuracy"] for m, c in methods.items() if has_feedback(c["values"])}
        if accuracy:
            found[data] = max(accuracy, key=accuracy.__getitem__)
    return found


def has_feedback(values: Mapping[str, Any]) -> bool:
    """Whether the Discriminator has a say in what attention masks."""
    return values.get("afa.lambda_adv", 1) > 0 and values.get("afa.epsilon", 0) < 1


def table_of(runs: Runs, measure: str, baseline: str) -> Table:
    """One measure of every method on every data set that has it."""
    values = {
        data: {
            method: {seed: found[measure] for seed, found in seeds.items() if measure in found}
            for method, seeds in methods.items()
        }
        for data, methods in runs.items()
    }
    values = {data: methods for data, methods in values.items() if any(methods.values())}
    table: Table = {
        data: {method: Cell(estimate(list(seeds.values()))) for method, seeds in methods.items()}
        for data, methods in values.items()
    }
    for method in {name for methods in values.values() for name in methods} - {baseline}:
        there = [data for data in values if method in values[data]]
        found = [against(values[data][method], values[data][baseline]) for data in there]
        for data, one, p in zip(there, found, holm([d.p for d in found]), strict=True):
            table[data][method] = Cell(table[data][method].value, one, p)
    return table


def markdown(table: Table) -> str:
    """A row a data set, a column a method."""
    methods = list(dict.fromkeys(method for cells in table.values() for method in cells))
    lines = [f"| data | {' | '.join(methods)} |", "|---" * (len(methods) + 1) + "|"]
    for data, cells in table.items():
        row = [cells[method].text() if method in cells else "–" for method in methods]
        lines.append(f"| {data} | {' | '.join(row)} |")
    return "\n".join(lines)


def verdicts(table: Table, larger_is_better: bool = True) -> dict[str, str]:
    """For each method: on how many data sets it is better and worse than the baseline."""
    said = {}
    compared = {name: None for c in table.values() for name, cell in c.items() if cell.difference}
    for method in compared:
        signs = [
            (cell.difference.mean > 0) == larger_is_better
            for cells in table.values()
            if (cell := cells.get(method)) and cell.difference and cell.is_established
        ]
        said[method] = f"better on {sum(signs)}, worse on {len(signs) - sum(signs)}"
    return said


def chosen(folder: Path) -> str:
    """What every method found on validation, a row a method and data set."""
    lines = ["| data | method | draw | accuracy | settings |", "|---" * 5 + "|"]
    best = preferred(folder)
    for data, methods in choices(folder).items():
        for method, found in methods.items():
            values = {k: v for k, v in found["values"].items() if k != "data.split_seed"}
            mark = " *" if method == best.get(data) else ""
            lines.append(
                f"| {data} | {method}{mark} | {found['draw']} | {found['accuracy']:.4f} | "
                f"{describe(values)} |"
            )
    return "\n".join([*lines, "", f"* is `{FEEDBACK}` there."])


def curves(folder: Path, runs: Runs) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """The deletion curves of every method, means over its runs: data -> (method, curve)."""
    found: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    places = studies(folder)
    for data, methods in runs.items():
        for method in methods:
            files = sorted(places[data].glob(f"*/{method}-seed*/{RESULT}"))
            each = [
                json.loads(file.read_text(encoding="utf-8"))["deletion_curve"] for file in files
            ]
            if each:
                found.setdefault(data, []).append((method, _mean_curve(each)))
    return found


def _mean_curve(each: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    mean = {
        name: np.mean([c[name] for c in each], 0).tolist() for name in ("by_attention", "random")
    }
    return {"counts": each[0]["counts"], **mean}


def curves_table(found: Mapping[str, Sequence[tuple[str, Mapping[str, Any]]]]) -> str:
    """Accuracy after deleting the most attended tokens, and as many at random."""
    counts = next(iter(found.values()))[0][1]["counts"]
    lines = [
        f"| data | method | {' | '.join(map(str, counts))} |",
        "|---" * (len(counts) + 2) + "|",
    ]
    for data, methods in found.items():
        for method, curve in methods:
            pairs = zip(curve["by_attention"], curve["random"], strict=True)
            cells = " | ".join(f"{a:.4f} / {r:.4f}" for a, r in pairs)
            lines.append(f"| {data} | {method} | {cells} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0, or 2 where there is nothing to report."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if len(given) != 2:
        print("usage: python -m studies.evidence.report FOLDER OUT", file=sys.stderr)
        return 2
    folder, out = map(Path, given)
    runs, baseline = read(folder)
    if not runs:
        print(f"{folder}: no study there has ended (no */{RESULTS})", file=sys.stderr)
        return 2
    tables = {measure: table_of(runs, measure, baseline) for measure in MEASURES}
    parts = [f"### {name}\n\n{markdown(table)}" for name, table in tables.items() if table]
    out.mkdir(parents=True, exist_ok=True)
    if choices(folder):
        parts.append(f"### What was found on validation\n\n{chosen(folder)}")
    if found := curves(folder, runs):
        plot_deletion_curves(dict(found), out / "curves.png")
        title = "### Accuracy after deleting tokens: the most attended / at random"
        parts.append(f"{title}\n\n{curves_table(found)}")
    write_whole(out / "tables.md", "\n\n".join(parts) + "\n")
    _plot_differences(tables, baseline, out)
    print(markdown(tables["accuracy"]))
    for method, said in verdicts(tables["accuracy"]).items():
        print(f"{method}: {said}")
    return 0


def _plot_differences(tables: Mapping[str, Table], baseline: str, out: Path) -> None:
    for measure, name in (("accuracy", "accuracy"), ("normalised area", "deletion")):
        differences_plot(
            {
                data: {m: c.difference for m, c in cells.items() if c.difference}
                for data, cells in tables[measure].items()
            },
            f"{measure}: difference to {baseline}",
            out / f"{name}.png",
        )


if __name__ == "__main__":
    sys.exit(main())
