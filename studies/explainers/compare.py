"""Explainers of trained models, on the same texts: `python -m studies.explainers.compare RUN …`.

Each RUN is the folder of a finished run. Its test texts (those it was judged on) are explained by
every method, for the class that is predicted, and the scores are held against the model: deletion,
erasure, and agreement with marked words where there are any. Every row, (run, method), is a line of
`OUT/figures.jsonl`; what is there is not repeated. Afterwards `OUT/table.md` is written.

    --out FOLDER        by default studies/explainers/results
    --texts NUMBER      by default 100, the first ones of a draw by seed 0
    --methods NAMES     by default all that need no training
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification

from afa_ray.command_line import parse
from afa_ray.data.corpus import Corpus, prepare_corpus
from afa_ray.data.packed import PackedTexts
from afa_ray.data.tokenizer import special_ids
from afa_ray.evaluation.agreement import AGREEMENT
from afa_ray.evaluation.deletion import DELETION
from afa_ray.evaluation.erasure import ERASURE
from afa_ray.evaluation.one_pass import Measure, figures
from afa_ray.explainers import EXPLAINERS, CannotExplainError
from afa_ray.models import AnyTarget, Target
from afa_ray.models.interface import AttentionModel, Inputs

COLUMNS = ("run", "method", "AUROC", "average precision", "comprehensiveness", "sufficiency",
           "deletion area", "seconds a text")  # fmt: skip


def main() -> None:
    options = read_options()
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "figures.jsonl"
    done = {(row["run"], row["method"]) for row in read_rows(file)}
    for run in options.runs:
        missing = [m for m in options.methods if (run.name, m) not in done]
        for row in measured(run, missing, options.texts):
            with file.open("a", encoding="utf-8") as rows:
                rows.write(json.dumps(row) + "\n")
            print(row, flush=True)
    (options.out / "table.md").write_text(table(read_rows(file)), encoding="utf-8")


def measured(run: Path, methods: list[str], count: int) -> Iterator[dict[str, Any]]:
    if not methods:
        return
    model, corpus = opened(run)
    texts = drawn(corpus.test, count)
    measures: dict[str, Measure] = {"deletion": DELETION, "erasure": ERASURE}
    if texts.marks is not None:
        measures["agreement"] = AGREEMENT
    for method in methods:
        clock = Clock(method)
        try:
            found = figures(
                model, texts, special_ids(corpus.tokenizer), 0, measures, explainer=clock
            )
        except CannotExplainError as error:
            yield {"run": run.name, "method": method, "refused": str(error)}
            continue
        agreement = found.get("agreement", {})
        yield {
            "run": run.name,
            "method": method,
            "texts": len(texts),
            "marked texts": agreement.get("texts", 0),
            "AUROC": agreement.get("auroc"),
            "average precision": agreement.get("average_precision"),
            "comprehensiveness": found["erasure"]["comprehensiveness"],
            "sufficiency": found["erasure"]["sufficiency"],
            "deletion area": found["deletion"].normalized_area,
            "seconds a text": clock.seconds / len(texts),
        }


class Clock:
    """An explainer that knows how long it took."""

    def __init__(self, method: str) -> None:
        self._explain = EXPLAINERS[method]
        self.seconds = 0.0

    def __call__(self, model: AttentionModel, inputs: Inputs, classes: Tensor) -> Tensor:
        start = time.perf_counter()
        scores = self._explain(model, inputs, classes)
        self.seconds += time.perf_counter() - start
        return scores


def opened(run: Path) -> tuple[AnyTarget, Corpus]:
    """A run's model in eval mode, and its data."""
    corpus = prepare_corpus(parse(["--config", str(run / "config.yaml")]))
    model = AutoModelForSequenceClassification.from_pretrained(run / "model")
    if isinstance(model, Target):
        return model.eval(), corpus
    from afa_ray.models.pretrained import PretrainedTarget

    return PretrainedTarget(model).eval(), corpus


def drawn(texts: PackedTexts, count: int) -> PackedTexts:
    order = np.random.default_rng(0).permutation(len(texts))
    return texts.take(np.sort(order[:count]))


def read_rows(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: the methods of each run, the most comprehensive one first."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for run in dict.fromkeys(row["run"] for row in rows):
        its = [row for row in rows if row["run"] == run and "refused" not in row]
        for row in sorted(its, key=lambda row: -row["comprehensiveness"]):
            lines.append(f"| {' | '.join(shown(row[column]) for column in COLUMNS)} |")
    return "\n".join(lines) + "\n"


def shown(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=partial(
        argparse.RawDescriptionHelpFormatter, max_help_position=30))  # fmt: skip
    names = [name for name in EXPLAINERS if name != "expnet"]
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("studies/explainers/results"))
    parser.add_argument("--texts", type=int, default=100)
    parser.add_argument("--methods", type=lambda text: text.split(","), default=names)
    options = parser.parse_args()
    for name in options.methods:
        if name not in EXPLAINERS:
            parser.error(f"no explainer is called {name}: take some of {', '.join(names)}")
    return options


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
