"""`python -m tune.evidence_report FOLDER OUT`: the evidence of all data sets, as tables and plots.

Reads what `tune.evidence` left in `FOLDER/*/`; writes `tables.md`, `accuracy.png` and
`deletion.png` to OUT. p-values are Holm-corrected over all data sets of a method: a method is one
hypothesis, "not as plain training anywhere", and methods are read one by one.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from afa_ray.training.run_folder import write_whole
from tune.evidence import CHOSEN
from tune.plots import differences_plot
from tune.space import describe
from tune.statistics import Difference, Estimate, estimate, holm
from tune.tables import MEASURES, against, p_text, plus_minus

RESULTS = "results.json"
SIGNIFICANT = 0.05


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
        against = f"{self.difference.mean:+.4f}, {p_text(self.p_holm)}"
        return f"{value} ({f'**{against}**' if self.is_established else against})"


Runs = dict[str, dict[str, dict[int, dict[str, float]]]]  # data -> method -> seed -> measure
Table = dict[str, dict[str, Cell]]  # data -> method -> cell


def read(folder: Path) -> tuple[Runs, str]:
    """The runs of every data set, and the baseline."""
    runs: Runs = {}
    baseline = ""
    for file in sorted(folder.glob(f"*/{RESULTS}")):
        content = json.loads(file.read_text(encoding="utf-8"))
        baseline = content["baseline"]
        runs[file.parent.name.removeprefix("evidence-")] = {
            method: {int(seed): values for seed, values in found.items()}
            for method, found in content["runs"].items()
        }
    return runs, baseline


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
    lines = ["| data | method | draw | score | settings |", "|---" * 5 + "|"]
    for file in sorted(folder.glob(f"*/{CHOSEN}")):
        content: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        for method, found in content.items():
            values = {k: v for k, v in found["values"].items() if k != "data.split_seed"}
            lines.append(
                f"| {file.parent.name.removeprefix('evidence-')} | {method} | {found['draw']} | "
                f"{found['score']:.4f} | {describe(values)} |"
            )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0, or 2 where there is nothing to report."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if len(given) != 2:
        print("usage: python -m tune.evidence_report FOLDER OUT", file=sys.stderr)
        return 2
    folder, out = map(Path, given)
    runs, baseline = read(folder)
    if not runs:
        print(f"{folder}: nothing of tune.evidence (no */{RESULTS}) there", file=sys.stderr)
        return 2
    tables = {measure: table_of(runs, measure, baseline) for measure in MEASURES}
    parts = [f"### {name}\n\n{markdown(table)}" for name, table in tables.items() if table]
    parts.append(f"### What was found on validation\n\n{chosen(folder)}")
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "tables.md", "\n\n".join(parts) + "\n")
    for measure, name in (("accuracy", "accuracy"), ("normalised area", "deletion")):
        differences_plot(
            {
                data: {m: c.difference for m, c in cells.items() if c.difference}
                for data, cells in tables[measure].items()
            },
            f"{measure}: difference to {baseline}",
            out / f"{name}.png",
        )
    print(markdown(tables["accuracy"]))
    for method, said in verdicts(tables["accuracy"]).items():
        print(f"{method}: {said}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
