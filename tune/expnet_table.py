"""The table of `tune.expnet`: every method on every task, over seeds, beside what was published."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from afa_ray.evaluation.statistics import estimate

MEASURES = {
    "auroc": "AUROC",
    "average_precision": "average precision",
    "f1_gold": "F1, as many as marked",
    "f1_threshold": "F1, threshold of other tasks",
}
PUBLISHED = {  # F1 of ExpNet's paper, which does not say by which rule words are chosen
    "fair_rationales": {
        "random": 0.258, "shap": 0.330, "lime": 0.347, "ig": 0.287, "attention": 0.327,
        "rollout": 0.133, "lrp": 0.339, "full_lrp": 0.218, "gae": 0.350, "cam": 0.243,
        "gradcam": 0.234, "attcat": 0.280, "mgae": 0.350, "expnet": 0.398,
    },
    "hatexplain": {
        "random": 0.293, "shap": 0.276, "lime": 0.290, "ig": 0.345, "attention": 0.362,
        "rollout": 0.356, "lrp": 0.372, "full_lrp": 0.346, "gae": 0.391, "cam": 0.332,
        "gradcam": 0.396, "attcat": 0.340, "mgae": 0.391, "expnet": 0.473,
    },
}  # fmt: skip
NOTES = """\
AUROC, average precision and F1 are of a text's words, means over the texts that the classifier gets
right; then mean ± 95% t-interval over {seeds} seeds. "As many as marked": the best words, as many as
people marked. "Threshold of other tasks": words whose score, scaled to 0 … 1 in each text (ExpNet's
probability as it is), reaches the threshold that is best on the other tasks; `random` obeys the same
rule in the same table.

Published: the F1 of ExpNet's paper, with BERT-base, on SST-2, CoLA and HateXplain. They do not
compare: its rule of choosing words is not published (its `random` says how far ours is from it),
CoLA's marks are not public (so other tasks are left out here), its classifier, texts and training
differ, and the classifier of SST-2 here never saw the marked sentences.
"""  # noqa: E501


class Row(NamedTuple):
    """One measure of a method on a task: mean and half-width of its interval over the seeds."""

    task: str
    method: str
    name: str
    mean: float
    half_width: float


def as_rows(
    figures: Mapping[tuple[str, str], Sequence[Mapping[str, float]]],
    methods: Sequence[str],
    tasks: Sequence[str],
) -> list[Row]:
    """Of each (task, method)'s figures, one mapping a seed."""
    rows = []
    for task in tasks:
        for method in methods:
            found = figures.get((task, method), ())
            for name in (*MEASURES, "threshold", "seconds", "texts"):
                values = [each[name] for each in found if not math.isnan(each[name])]
                if values:
                    of = estimate(values)
                    rows.append(Row(task, method, name, of.mean, of.half_width))
    return rows


def as_table(rows: Sequence[Row], seeds: int, tasks: Sequence[str]) -> str:
    """Markdown: a table a task, the method of highest AUROC first."""
    found = {(row.task, row.method, row.name): row for row in rows}
    lines = []
    for task in tasks:
        methods = [row.method for row in rows if row.task == task and row.name == "auroc"]
        methods.sort(key=lambda method: -found[task, method, "auroc"].mean)
        if not methods:
            continue
        texts = found[task, methods[0], "texts"].mean
        published = PUBLISHED.get(task, {})
        lines += [f"## {task} ({texts:.0f} texts a seed)", ""]
        heads = ["method", *MEASURES.values(), *(["F1, published"] if published else [])]
        lines += [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        for method in methods:
            cells = [_cell(found.get((task, method, name))) for name in MEASURES]
            if published:
                cells.append(_digits(published[method]) if method in published else "")
            lines.append(f"| {method} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join([*lines, NOTES.format(seeds=seeds)])


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    width = "" if math.isnan(row.half_width) else f" ± {_digits(row.half_width)}"
    return f"{_digits(row.mean)}{width}"


def _digits(value: float) -> str:
    return f"{value:.3f}".removeprefix("0") if value < 1 else f"{value:.3f}"
