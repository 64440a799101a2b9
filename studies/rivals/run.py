"""Rivals of adversarial feedback, equally trained: `python -m studies.rivals.run OUT`.

A process prepares some rows of a data set with a seed, and trains some of the methods on them. Each
is a line of `OUT/figures.jsonl`, and what is there is not repeated. Afterwards the tables and plots
of `tables.py` are written. README.md has the protocol. Needs AFA_DATA_DIR, and no Ray.

    --data NAMES        by default all six
    --methods NAMES     separated by semicolons; by default those of each data set
    --seeds NUMBER      by default 5
    --rows NUMBER       training rows, by default 4,000
    --texts NUMBER      test texts whose attention is judged, by default 400
    --updates NUMBER    by default 500
    --weight NUMBER     of supervision, instead of each method's own
    --apart             judge on validation texts; test texts are not read
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from afa_ray.config import Settings
from afa_ray.data.corpus import Corpus, prepare_corpus, read_raw
from afa_ray.data.sample import sample
from afa_ray.data.texts import Texts
from afa_ray.data.tokenizer import special_ids
from afa_ray.evaluation.agreement import AGREEMENT
from afa_ray.evaluation.classification import classification_metrics
from afa_ray.evaluation.deletion import DELETION, DeletionCurve
from afa_ray.evaluation.erasure import ERASURE
from afa_ray.evaluation.evenness import EVENNESS
from afa_ray.evaluation.one_pass import figures
from afa_ray.evaluation.prediction import predict
from afa_ray.training.process import usable_cores
from studies.jobs import done, names, run_jobs, silence
from studies.rivals.methods import DATA, MARKED, methods_of, settings_of
from studies.rivals.tables import write_report
from studies.training import trained

AT_ONCE = 4  # methods of a process, which share what it prepares
JUDGED = 2_000  # most test texts that accuracy is of
VALIDATED = 500  # most validation texts


class Job(NamedTuple):
    """Methods on the rows of a data set that a seed draws."""

    data: str
    seed: int
    methods: tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> None:
    options = read_options(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "figures.jsonl"
    jobs = list(missing(options, file))
    run_jobs(jobs, partial(measure, options=options), said, file, usable_cores())
    if file.exists():
        write_report(file, options.out)


def said(job: Job) -> str:
    return f"{job.data}, seed {job.seed}: {'; '.join(job.methods)}"


def missing(options: argparse.Namespace, file: Path) -> Iterator[Job]:
    """What is not measured yet: all data sets with one seed, then with the next."""
    there = done(file, ("data", "seed", "method"))
    for seed in range(options.seeds):
        for data in options.data:
            wanted = options.methods or methods_of(data)
            waiting = [m for m in wanted if (data, seed, m) not in there]
            for start in range(0, len(waiting), AT_ONCE):
                yield Job(data, seed, tuple(waiting[start : start + AT_ONCE]))


def measure(job: Job, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Figures of each of the job's methods."""
    more: dict[str, Any] = {"train__max_steps": options.updates}
    if options.apart:
        more["data__evaluate_on"] = "validation"
    if options.weight is not None:
        more["supervision__weight"] = options.weight
    started = time.process_time()
    corpus = prepare(job, options.rows, more)
    about = {"data": job.data, "seed": job.seed, "rows": options.rows, "updates": options.updates}
    about["prepare_s"] = round(time.process_time() - started, 2)
    rows = []
    for method in job.methods:
        settings = settings_of(job.data, method, job.seed, **more)
        rows.append(about | {"method": method} | train_and_judge(settings, corpus, options.texts))
    return rows


def prepare(job: Job, rows: int, more: dict[str, Any]) -> Corpus:
    """Some rows to train on, drawn with the seed; the same ones to judge on for all seeds."""
    method = "humal-al" if job.data in MARKED else "plain"  # that reads all that others do
    method = "gaze" if "gaze" in job.methods else method
    settings = settings_of(job.data, method, job.seed, **more)
    raw = read_raw(settings)
    validation = None if raw.validation is None else some(raw.validation, VALIDATED, 0)
    train, test = some(raw.train, rows, 1 + job.seed), some(raw.test, JUDGED, 0)
    raw = replace(raw, train=train, validation=validation, test=test)
    with silence():
        return prepare_corpus(settings, raw)


def some(texts: Texts, most: int, seed: int) -> Texts:
    """At most so many of the texts, at random."""
    order = np.random.default_rng(seed).permutation(len(texts))
    return texts.take(np.sort(order[:most]))


def train_and_judge(settings: Settings, corpus: Corpus, count: int) -> dict[str, Any]:
    """`measures`, by the names of `tune.tables.MEASURES`, and the curves of Figure 3."""
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder, silence():
        target = trained(settings, corpus, Path(folder) / "run").learner.target.eval()
    seconds = time.process_time() - started
    predicted = predict(target, corpus.test).cpu().numpy()
    quality = classification_metrics(corpus.test.labels, predicted)
    measures = {"deletion": DELETION, "erasure": ERASURE, "evenness": EVENNESS}
    texts = sample(corpus.test, count, 0)
    if texts.marks is not None:
        measures["agreement"] = AGREEMENT
    found = figures(target, texts, special_ids(corpus.tokenizer), 0, measures)
    curve: DeletionCurve = found["deletion"]
    agreement = found.get("agreement", {})
    return {
        "measures": {
            **{name.replace("_", " ").replace("f1", "F1"): x for name, x in quality.items()},
            "deletion area": curve.area_by_attention,
            "normalised area": curve.normalized_area,
            "comprehensiveness": found["erasure"]["comprehensiveness"],
            "sufficiency": found["erasure"]["sufficiency"],
            **{n: agreement[k] for n, k in AGREE.items() if agreement.get(k) is not None},
            "training seconds": round(seconds, 2),
        },
        "curve": {"counts": curve.counts, "attention": curve.by_attention, "random": curve.random},
        "random": [found["erasure"][f"random_{x}"] for x in ("comprehensiveness", "sufficiency")],
        "evenness": found["evenness"],
        "wrong": np.packbits(predicted != corpus.test.labels).tobytes().hex(),
        "missed": share_missed(corpus.test.labels, predicted),
        "texts": len(texts),
        "parameters": sum(weights.numel() for weights in target.parameters()),
    }


def share_missed(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Of the errors: those in texts of the last class. Of two classes these are the positives."""
    wrong = predicted != labels
    return float((labels[wrong] == labels.max()).mean()) if wrong.any() else 0.0


AGREE = {"AUROC": "auroc", "average precision": "average_precision"}


def read_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=names, default=list(DATA))
    parser.add_argument("--methods", type=lambda text: text.split(";"), default=[])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=4_000)
    parser.add_argument("--texts", type=int, default=400)
    parser.add_argument("--updates", type=int, default=500)
    parser.add_argument("--weight", type=float)
    parser.add_argument("--apart", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
