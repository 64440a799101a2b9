"""The table of the trial, from its figures."""

from __future__ import annotations

import sys
from pathlib import Path

from studies.jobs import read_rows
from studies.markdown import head, shown


def write_report(file: Path, out: Path) -> None:
    """`out/table.md`: of each form of training and reading, by data set, comprehensiveness /
    sufficiency, means over seeds."""
    rows = read_rows(file)
    sets = list(dict.fromkeys(row["data"] for row in rows))
    lines = head(("trained", "read", "passes", *sets))
    for form, reading in dict.fromkeys((row["form"], row["reading"]) for row in rows):
        cells = []
        for data in sets:
            its = [r for r in rows if (r["data"], r["form"], r["reading"]) == (data, form, reading)]
            cells.append(" / ".join(shown(r["deleted"][i] for r in its) for i in (0, 1)))
        passes = next(r["passes"] for r in rows if r["reading"] == reading)
        lines.append(f"| {form} | {reading} | {passes} | {' | '.join(cells)} |")
    lines += ["", *quality(rows, sets), ""]
    (out / "table.md").write_text("\n".join(lines), encoding="utf-8")


def quality(rows: list[dict], sets: list[str]) -> list[str]:
    """Accuracy on the texts set apart, and processor seconds of training."""
    lines = head(("trained", *(f"accuracy, {d}" for d in sets), *(f"seconds, {d}" for d in sets)))
    for form in dict.fromkeys(row["form"] for row in rows):
        cells = []
        for name, digits in (("accuracy", 3), ("train_s", 0)):
            for data in sets:
                its = {r["seed"]: r[name] for r in rows if (r["data"], r["form"]) == (data, form)}
                cells.append(shown(its.values(), digits))
        lines.append(f"| {form} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    write_report(Path(sys.argv[1]) / "figures.jsonl", Path(sys.argv[1]))
