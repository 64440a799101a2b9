"""`python -m afa_ray.evaluation.report FOLDER`: the runs of a folder as one table and one figure.

Reads every `FOLDER/*/result.json`; prints a Markdown table and draws the deletion curves to
`FOLDER/deletion_curves.png`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from afa_ray.evaluation.plots import plot_deletion_curves

Results = dict[str, dict[str, dict[str, Any]]]  # data set -> method -> content of result.json
METHODS = ("plain", "original", "contrast")
COLUMNS = (
    "data", "method", "accuracy", "macro F1", "after 1", "after 3", "after 8", "area",
    "random area", "AUROC", "average precision", "epoch", "tokens/s",
)  # fmt: skip


def method(result: dict[str, Any]) -> str:
    """Which of `METHODS` a run used."""
    settings = result["settings"]
    return "plain" if settings["afa.lambda_adv"] == 0 else settings["discriminator.pairing"]


def read_results(folder: Path) -> Results:
    """The complete runs below `folder`, by data set and method."""
    results: Results = {}
    found = [json.loads(f.read_text(encoding="utf-8")) for f in folder.glob("*/result.json")]
    for result in sorted(found, key=lambda r: (r["data"]["name"], METHODS.index(method(r)))):
        results.setdefault(result["data"]["name"], {})[method(result)] = result
    return results


def table(results: Results) -> str:
    """Markdown, a row a run. "after n": accuracy with the n tokens of highest attention deleted."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for data, methods in results.items():
        for name, result in methods.items():
            test, curve = result["test"], result["deletion_curve"]
            after = dict(zip(curve["counts"], curve["by_attention"], strict=True))
            agreement = result["agreement"] or {"auroc": None, "average_precision": None}
            figures = [
                test["accuracy"], test["macro_f1"], after[1], after[3], after[8],
                curve["area_by_attention"], curve["area_random"],
                agreement["auroc"], agreement["average_precision"],
            ]  # fmt: skip
            cells = ["–" if figure is None else f"{figure:.4f}" for figure in figures]
            cells.append(str(result["validation"]["epoch"]))
            cells.append(f"{result['training']['tokens_per_s']:,.0f}")
            lines.append(f"| {data} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0, or 2 where there are no complete runs."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if len(given) != 1:
        print("usage: python -m afa_ray.evaluation.report FOLDER", file=sys.stderr)
        return 2
    folder = Path(given[0])
    results = read_results(folder)
    if not results:
        print(f"{folder}: no complete runs (no */result.json) there", file=sys.stderr)
        return 2
    print(table(results))
    plot_deletion_curves(results, folder / "deletion_curves.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
