"""Explainers of trained models, on the same texts: `python -m studies.explainers.compare FOLDER …`.

Every finished run in a FOLDER is measured: its test texts (those it was judged on) are explained by
every method, for the class that is predicted, and the scores are held against the model (deletion,
erasure), against marked words where there are any, and against leave-one-out. Every row, (run, method),
is a line of `OUT/figures.jsonl`; what is there is not repeated. Afterwards `OUT/table.md` is written.

    --out FOLDER        by default studies/explainers/results
    --texts NUMBER      by default 60, the first ones of a draw by seed 0
    --methods NAMES     by default all but those that learn (expnet) or take long (shap, lime)
"""  # noqa: E501

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from afa_ray.command_line import parse
from afa_ray.config import Settings
from afa_ray.data.packed import PackedTexts
from afa_ray.data.tokenizer import special_ids
from afa_ray.evaluation.agreement import AGREEMENT
from afa_ray.evaluation.comparisons import Timed
from afa_ray.evaluation.deletion import DELETION
from afa_ray.evaluation.erasure import ERASURE
from afa_ray.evaluation.one_pass import Measure, figures
from afa_ray.explainers import EXPLAINERS, CannotExplainError
from afa_ray.explainers.interface import text_tokens
from afa_ray.models import AnyTarget
from afa_ray.models.interface import AttentionModel, Inputs
from afa_ray.records.finished import open_finished
from afa_ray.report.view import agreement_of
from studies.explainers.tables import tables
from studies.jobs import append_rows, done, read_rows

WITNESS = "leave_one_out"  # whose order of a text's tokens the other methods' is compared with
LEFT_OUT = ("expnet", "shap", "lime")


class Opened(NamedTuple):
    """A run's model in eval mode, its test texts, and the ids of special tokens."""

    model: AnyTarget
    texts: PackedTexts
    special: tuple[int, ...]


def main() -> None:
    options = read_options()
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "figures.jsonl"
    there = done(file, ("run", "method"))
    for run in finished(options.folders):
        about = about_run(run)
        missing = [m for m in options.methods if (about["run"], m) not in there]
        for row in measured(run, missing, options.texts) if missing else ():
            append_rows(file, [about | row])
            print(about | row, flush=True)
    (options.out / "table.md").write_text(tables(read_rows(file)), encoding="utf-8")


def finished(folders: list[Path]) -> list[Path]:
    """The complete runs in the folders, or that these are."""
    found = {result.parent for folder in folders for result in folder.rglob("result.json")}
    return sorted(run for run in found if (run / "model").is_dir())


def settings_of(run: Path) -> Settings:
    return parse(["--config", str(run / "config.yaml")])


def about_run(run: Path) -> dict[str, Any]:
    """What a run is a case of."""
    settings = settings_of(run)
    model = name_of(Path(settings.target.name)) if settings.target.pretrained else "single layer"
    form = "explainable" if settings.afa.lambda_adv else "plain"
    about = {"model": model, "set": settings.data.name, "form": form, "seed": settings.train.seed}
    return {"run": " ".join(map(str, about.values())), **about}


def name_of(folder: Path) -> str:
    """A model's name, where its folder may be called just that."""
    return folder.parent.name if folder.name == "model" else folder.name


def measured(run: Path, methods: list[str], count: int) -> Iterator[dict[str, Any]]:
    """A row for each of the methods."""
    model, texts, special = opened(run)
    texts = drawn(texts, count)
    measures: dict[str, Measure] = {"deletion": DELETION, "erasure": ERASURE}
    if texts.marks is not None:
        measures["agreement"] = AGREEMENT
    witness = Clock(WITNESS)
    figures(model, texts, special, 0, {"erasure": ERASURE}, explainer=witness)
    for method in methods:
        clock = Clock(method)
        try:
            found = figures(model, texts, special, 0, measures, explainer=clock)
        except CannotExplainError as error:
            yield {"method": method, "refused": str(error)}
            continue
        agreement = found.get("agreement", {})
        yield {
            "method": method,
            "texts": len(texts),
            "marked texts": agreement.get("texts", 0),
            "AUROC": agreement.get("auroc"),
            "average precision": agreement.get("average_precision"),
            "comprehensiveness": found["erasure"]["comprehensiveness"],
            "sufficiency": found["erasure"]["sufficiency"],
            "deletion area": found["deletion"].normalized_area,
            "tau": clock.agreement_with(witness),
            "seconds a text": clock.seconds / len(texts),
        }


class Clock(Timed):
    """An explainer that knows how long it took, and what it said."""

    def __init__(self, method: str) -> None:
        super().__init__(EXPLAINERS[method])
        self.said: list[list[float]] = []  # of each text's tokens

    def __call__(self, model: AttentionModel, inputs: Inputs, classes: Tensor) -> Tensor:
        scores = super().__call__(model, inputs, classes)
        part = text_tokens(model, inputs)
        self.said += [row[own].tolist() for row, own in zip(scores, part, strict=True)]
        return scores

    def agreement_with(self, other: Clock) -> float | None:
        """Mean Kendall tau-b with the other's scores of the same texts, where there is an order."""
        pairs = zip(self.said, other.said, strict=True)
        found = [tau for pair in pairs if (tau := agreement_of(*pair)) is not None]
        return float(np.mean(found)) if found else None


def opened(run: Path) -> Opened:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model, corpus = open_finished(run, settings_of(run), device)
    return Opened(model, corpus.test, special_ids(corpus.tokenizer))


def drawn(texts: PackedTexts, count: int) -> PackedTexts:
    order = np.random.default_rng(0).permutation(len(texts))
    return texts.take(np.sort(order[:count]))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=partial(
        argparse.RawDescriptionHelpFormatter, max_help_position=30))  # fmt: skip
    names = [name for name in EXPLAINERS if name not in LEFT_OUT]
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("studies/explainers/results"))
    parser.add_argument("--texts", type=int, default=60)
    parser.add_argument("--methods", type=lambda text: text.split(","), default=names)
    options = parser.parse_args()
    for name in options.methods:
        if name not in EXPLAINERS:
            parser.error(f"no explainer is called {name}: take some of {', '.join(names)}")
    for folder in options.folders:
        if not folder.is_dir():
            parser.error(f"there is no folder {folder}: give one with finished runs in it")
    return options


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
