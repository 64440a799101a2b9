"""`python -m afa_ray.evaluation.report FOLDER`: the runs of a folder as one table and one figure.

Reads every `FOLDER/*/result.json`; prints a Markdown table and draws the deletion curves to
`FOLDER/deletion_curves.png`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from afa_ray.errors import UserError
from afa_ray.evaluation.plots import plot_deletion_curves
from afa_ray.json_files import read_object
from afa_ray.method import method_of
from afa_ray.output import print_anywhere

Runs = list[tuple[str, dict[str, Any]]]  # folder name, content of result.json
METHODS = ("plain", "original", "contrast")
COLUMNS = (
    "run", "data", "method", "seed", "accuracy", "macro F1", "after 1", "after 3", "after 8",
    "area", "random area", "AUROC", "average precision", "epoch", "tokens/s",
)  # fmt: skip


def method(result: dict[str, Any]) -> str:
    return method_of(result["settings"])


def order(name: str) -> tuple[int, str]:
    """`METHODS` first."""
    return (METHODS.index(name), "") if name in METHODS else (len(METHODS), name)


def data(result: dict[str, Any]) -> str:
    """The data set, with its protocol where one was chosen: two protocols do not compare."""
    protocol = result["settings"]["data.protocol"]
    return result["data"]["name"] + (f" ({protocol})" if protocol else "")


def read_runs(folder: Path) -> Runs:
    """The complete runs below `folder`, by data set, method and name.

    Raises:
        UserError: one of the files is not the result of a run.
    """
    runs = []
    for file in sorted(folder.glob("*/result.json")):
        run = file.parent.name, read_object(file) or {}
        try:
            table([run])
            method(run[1])
        except (KeyError, TypeError, ValueError, AttributeError):
            raise UserError(f"{file} is not the result of a run: remove or mend it") from None
        runs.append(run)
    return sorted(runs, key=lambda run: (data(run[1]), order(method(run[1])), run[0]))


def table(runs: Runs) -> str:
    """Markdown, a row a run. "after n": accuracy with the n tokens of highest attention deleted."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for name, result in runs:
        test, curve = result["test"], result["deletion_curve"]
        after = dict(zip(curve["counts"], curve["by_attention"], strict=True))
        agreement = result["agreement"] or {"auroc": None, "average_precision": None}
        figures = [
            test["accuracy"], test["macro_f1"], after[1], after[3], after[8],
            curve["area_by_attention"], curve["area_random"],
            agreement["auroc"], agreement["average_precision"],
        ]  # fmt: skip
        cells = [
            name,
            data(result),
            method(result),
            str(result["settings"]["train.seed"]),
            *("–" if figure is None else f"{figure:.4f}" for figure in figures),
            str(result["validation"]["epoch"]),
            f"{result['training']['tokens_per_s']:,.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def curves(runs: Runs) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """Data set -> (method, deletion curve) of each of its runs."""
    panels: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for _, result in runs:
        panels.setdefault(data(result), []).append((method(result), result["deletion_curve"]))
    return panels


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0, or 2 where there are no complete runs."""
    print_anywhere()
    given = sys.argv[1:] if arguments is None else list(arguments)
    if len(given) != 1:
        print("usage: python -m afa_ray.evaluation.report FOLDER", file=sys.stderr)
        return 2
    folder = Path(given[0])
    try:
        runs = read_runs(folder)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    if not runs:
        print(f"{folder}: no complete runs (no */result.json) there", file=sys.stderr)
        return 2
    print(table(runs))
    plot_deletion_curves(curves(runs), folder / "deletion_curves.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
