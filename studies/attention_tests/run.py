"""The published tests of attention, plain and trained: `python -m studies.attention_tests.run OUT`.

Every job is a model that is trained and tested, and a line of `OUT/figures.jsonl`; what is there is
not repeated. Afterwards `OUT/tables.md` and plots are written. README.md has the protocol. Needs
AFA_DATA_DIR, and neither Ray nor MLflow. One process a core, each of one thread.

    --parts NAMES       some of jain_wallace, attefa, ours (by default all)
    --data NAMES        of each part's sets these only
    --models NAMES      some of lstm, cnn, average, transformer (by default all)
    --scorers NAMES     of jain_wallace: additive, dot (by default both)
    --minilm FOLDER     ours also for this pretrained model, on a GPU where there is one; with
                        --models minilm for it alone
    --forms NAMES       of ours some of plain, original, contrast, explainable (by default all)
    --seeds NUMBER      of jain_wallace and ours, by default 3
    --base-models N     of attefa, each with its adversaries; by default one, as published
    --rows NUMBER       training rows, by default as in `sets.SIZES`
    --texts NUMBER      test texts that attention is tested on, by default 100
    --adversaries N     by default 9 of attefa and 1 of ours
    --epochs NUMBER     most of an adversary, by default 80 of attefa and 15 of ours
    --train-texts N     of an adversary, by default 1,000
    --minutes NUMBER    begin no job after so long
    --processes NUMBER  by default one a core
    --gpu               all models on a GPU where there is one: attefa's LSTMs take a tenth of the
                        time there, and a few processes keep it busy
    --word2vec          encoders start with word2vec of the training texts, not with random vectors
    --jobs              print the jobs that are missing, and stop
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain, product, zip_longest

os.environ.setdefault("OMP_NUM_THREADS", "1")

from afa_ray.config import ENCODERS, SINGLE_LAYER
from studies.attention_tests.measure import FORMS, MINILM, Budget, Job, measure
from studies.attention_tests.report import write_report
from studies.jobs import Row, done, names, parser_of_jobs, run_jobs

SCORERS = ("additive", "dot")
SETS = {
    "jain_wallace": ("sst2_sentences", "imdb", "ag_news_pair", "facts-1", "facts-2", "facts-3"),
    "attefa": ("imdb", "mock-2", "mock-1q", "mock-1", "mock-10", "mock-4q", "mock-5", "mock-2q",
               "mock-3q", "ag_news_pair", "sst2_sentences"),
    "ours": ("sst2_sentences", "ag_news_pair"),
}  # fmt: skip


def main() -> None:
    options = read_options()
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "figures.jsonl"
    there = done(file, Job._fields)
    jobs = [job for job in jobs_of(options) if job not in there]
    if options.jobs:
        print(*jobs, sep="\n")
        return
    work = partial(measured, options=options)
    run_jobs(jobs, work, said, file, options.processes, options.minutes)
    if file.exists():
        write_report(file, options.out)


def measured(job: Job, options: argparse.Namespace) -> list[Row]:
    return [measure(job, budget_of(job, options))]


def said(job: Job) -> str:
    return " ".join(map(str, job))


def jobs_of(options: argparse.Namespace) -> list[Job]:
    """A few of each part after the other, so that one that is cut short has something of each;
    further seeds of jain_wallace come last."""
    parts = [list(PARTS[part](options)) for part in options.parts]
    jobs = [job for job in chain(*zip_longest(*parts)) if job is not None]
    return sorted(jobs, key=lambda job: job.part == "jain_wallace" and job.seed > 0)


def jain_wallace(options: argparse.Namespace) -> Iterator[Job]:
    models = [name for name in ENCODERS if name in options.models]
    for seed in range(options.seeds):
        for scorer, data, model in product(options.scorers, sets("jain_wallace", options), models):
            yield Job("jain_wallace", data, model, scorer, "plain", seed)


def attefa(options: argparse.Namespace) -> Iterator[Job]:
    """As published, of an LSTM and of each word by itself; what takes longest comes first."""
    models = [name for name in ("lstm", "average") if name in options.models]
    for seed in range(options.base_models):
        for model, data in product(models, sets("attefa", options)):
            yield Job("attefa", data, model, "additive", "plain", seed)


def ours(options: argparse.Namespace) -> Iterator[Job]:
    models = dict.fromkeys([*options.models, *[MINILM] * bool(options.minilm)])
    for seed in range(options.seeds):
        for data, model, form in product(sets("ours", options), models, options.forms):
            yield Job("ours", data, model, "additive", form, seed)


PARTS = {"jain_wallace": jain_wallace, "attefa": attefa, "ours": ours}


def sets(part: str, options: argparse.Namespace) -> Iterable[str]:
    return [name for name in SETS[part] if options.data is None or name in options.data]


def budget_of(job: Job, options: argparse.Namespace) -> Budget:
    adversaries, epochs = {"jain_wallace": (0, 0), "attefa": (9, 80), "ours": (1, 15)}[job.part]
    if job.part != "jain_wallace" and options.adversaries is not None:
        adversaries = options.adversaries
    return Budget(
        options.rows, options.texts, adversaries, options.epochs or epochs, options.train_texts,
        options.minilm or "", options.gpu, options.word2vec,
    )  # fmt: skip


def read_options() -> argparse.Namespace:
    parser = parser_of_jobs(__doc__)
    option = parser.add_argument
    option("--parts", type=names, default=list(SETS))
    option("--data", type=names)
    option("--models", type=names, default=[*ENCODERS, SINGLE_LAYER])
    option("--scorers", type=names, default=list(SCORERS))
    option("--minilm", metavar="FOLDER")
    option("--forms", type=names, default=list(FORMS))
    option("--seeds", type=int, default=3)
    option("--base-models", type=int, default=1)
    option("--rows", type=int, default=0)
    option("--texts", type=int, default=100)
    option("--adversaries", type=int)
    option("--epochs", type=int)
    option("--train-texts", type=int, default=1000)
    option("--gpu", action="store_true")
    option("--word2vec", action="store_true")
    option("--jobs", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
