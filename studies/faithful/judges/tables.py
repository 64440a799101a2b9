"""The table of the trial, from its figures."""

from __future__ import annotations

import sys
from pathlib import Path

from studies.jobs import read_rows
from studies.markdown import head, shown

FIGURES = {"area": 3, "comprehensiveness": 3, "sufficiency": 3, "accuracy": 3, "train_s": 0}


def write_report(file: Path, out: Path) -> None:
    """`out/table.md`: each figure by judge and data set, mean ± 95% t-interval over seeds; the last
    column is the mean over data sets, with the interval of the seeds' means."""
    rows = read_rows(file)
    sets = list(dict.fromkeys(row["data"] for row in rows))
    lines = []
    for figure, digits in FIGURES.items():
        lines += [f"## {figure}", "", *head(("judge", *sets, "mean"))]
        for form in dict.fromkeys(row["form"] for row in rows):
            its = {(r["data"], r["seed"]): r[figure] for r in rows if r["form"] == form}
            cells = [shown([x for (d, _), x in its.items() if d == data], digits) for data in sets]
            seeds = sorted({seed for _, seed in its})
            whole = [s for s in seeds if all((d, s) in its for d in sets)]
            means = [sum(its[d, s] for d in sets) / len(sets) for s in whole]
            lines.append(f"| {form} | {' | '.join([*cells, shown(means, digits)])} |")
        lines.append("")
    (out / "table.md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    write_report(Path(sys.argv[1]) / "figures.jsonl", Path(sys.argv[1]))
