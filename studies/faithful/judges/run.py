"""Can a trained judge be as good a one as the Target? `python -m studies.faithful.judges.run OUT`.

Every (data set, seed, form) is a model that is trained on a file and a line of `OUT/figures.jsonl`;
what is there is not repeated. Afterwards `OUT/table.md` is written. README.md has the protocol.
Needs AFA_DATA_DIR.

    --data NAMES        by default sst2_sentences,yelp_hat,hatexplain,tickets
    --seeds NUMBER      by default 3
    --forms NAMES       separated by semicolons; by default all of FORMS
    --rows NUMBER       training rows, by default 2,000
    --texts NUMBER      texts that are judged and explained, by default 300
    --minutes NUMBER    begin no job after so long
    --processes NUMBER  by default one a core
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from afa_ray.command_line import parse
from afa_ray.config import Settings
from afa_ray.data.corpus import prepare_corpus
from afa_ray.data.sample import sample
from afa_ray.data.tokenizer import special_ids
from afa_ray.evaluation.classification import classification_metrics
from afa_ray.evaluation.deletion import DELETION
from afa_ray.evaluation.one_pass import figures
from afa_ray.evaluation.prediction import predict
from afa_ray.objectives.judges import TrainedJudge
from afa_ray.training.making import Further, no_more
from studies.explainers.compare import Clock
from studies.faithful.judges.tables import write_report
from studies.faithful.judges.twin import ByClasses, Judged, Thrice
from studies.faithful.measures import erasure
from studies.jobs import Row, done, names, parser_of_jobs, run_jobs, silence
from studies.small_files.run import File, draw, write
from studies.training import CONFIGS, trained

DATA = ("sst2_sentences", "yelp_hat", "hatexplain", "tickets")
NO_OTHER = ("--afa.lambda_adv", "0")


class Form(NamedTuple):
    """What the command is given beside `explainable`; the feedback that a twin pays for."""

    given: tuple[str, ...] = ()
    further: Callable[[Settings], Further] = lambda settings: no_more


FORMS: dict[str, Form] = {
    "plain": Form(NO_OTHER),
    "the Target": Form(),
    "Discriminator": Form(("--discriminator.judge", "trained")),
    "twin": Form(("--discriminator.judge", "twin")),
    "twin, three updates": Form(NO_OTHER, partial(Judged, kind=Thrice)),
    "twin, random weights": Form(NO_OTHER, partial(Judged, kind=TrainedJudge, start=False)),
    "twin, classes": Form(NO_OTHER, partial(Judged, kind=ByClasses)),
    "average": Form(("--discriminator.judge", "average")),
}


class Job(NamedTuple):
    data: str
    seed: int
    form: str


def main() -> None:
    options = read_options()
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "figures.jsonl"
    there = done(file, Job._fields)
    jobs = [
        Job(data, seed, form)
        for seed in range(options.seeds)
        for data in options.data
        for form in options.forms
    ]
    missing = [job for job in jobs if job not in there]
    work = partial(measured, rows=options.rows, texts=options.texts)
    run_jobs(
        missing,
        work,
        lambda job: " ".join(map(str, job)),
        file,
        options.processes,
        options.minutes,
    )
    if file.exists():
        write_report(file, options.out)


def measured(job: Job, rows: int, texts: int, more: Sequence[str] = ()) -> list[Row]:
    """A line of `figures.jsonl`. `more` is given to every training."""
    torch.set_num_threads(1)
    train, apart = draw(File(job.data, rows, job.seed, apart=True))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AFA_CACHE_DIR"] = folder
        write(Path(folder) / "train.csv", train)
        write(Path(folder) / "test.csv", apart)
        asked = settings_of(job, folder, more)
        settings = settings_of(job, folder, [*FORMS[job.form].given, *more])
        with silence():
            corpus = prepare_corpus(settings)
            began = time.process_time()
            worker = trained(
                settings, corpus, Path(folder) / "run", further=FORMS[job.form].further(asked)
            )
        spent = time.process_time() - began
        target, steps = worker.learner.target.eval(), worker.progress.step
    right = classification_metrics(corpus.test.labels, predict(target, corpus.test).numpy())
    found = figures(
        target,
        sample(corpus.test, texts, 0),
        special_ids(corpus.tokenizer),
        0,
        {"deleted": erasure(), "area": DELETION},
        explainer=Clock("attention"),
    )
    return [
        {
            **job._asdict(),
            "rows": len(train[0]),
            "texts": texts,
            "accuracy": right["accuracy"],
            "area": found["area"].normalized_area,
            "comprehensiveness": found["deleted"][0],
            "sufficiency": found["deleted"][1],
            "steps": steps,
            "train_s": round(spent, 1),
        }
    ]


def settings_of(job: Job, folder: str, given: Sequence[str]) -> Settings:
    return parse(
        [
            *("--config", str(CONFIGS / "explainable.yaml"), *given),
            *("--data.name", job.data, "--train.seed", str(job.seed), "--mlflow.uri", "none"),
            *("--data.train_file", f"{folder}/train.csv", "--data.test_file", f"{folder}/test.csv"),
            *("--train.num_workers", "0"),
        ]
    )


def read_options() -> argparse.Namespace:
    parser = parser_of_jobs(__doc__)
    option = parser.add_argument
    option("--data", type=names, default=list(DATA))
    option("--seeds", type=int, default=3)
    option("--forms", type=lambda text: text.split(";"), default=list(FORMS))
    option("--rows", type=int, default=2000)
    option("--texts", type=int, default=300)
    return parser.parse_args()


if __name__ == "__main__":
    main()
