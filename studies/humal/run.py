"""HuMAL's grid, on a single layer or a pretrained model: `python -m studies.humal.run OUT`.

The protocol is that of `tune.imbalance` with afa_ray/configs/humal.yaml. A process trains all
methods on a draw, which is a replicate, a number of training texts and a share of the rarer class;
each method is a line of `OUT/figures.jsonl`, and what is there is not repeated. Afterwards the
tables and plots of `tables.py` are written. README.md has the protocol. Needs AFA_DATA_DIR.

    --methods NAMES     the baseline first; by default plain,as-random,humal-al,humal-an; there is
                        also humal-an-evenly, which divides by 3 what it gathers in training
    --sizes NUMBERS     of training texts, by default 250,500,1000,2000
    --shares NUMBERS    percents of the rarer class, by default 1,5,10,20,50
    --replicates NUMBER by default 10
    --part NAME         of yelp_hat: all (the default), yelp50, yelp100 or yelp200
    --readings NUMBER   of the Target: 1 (the default), or 2, which humal-ap needs
    --model NAME        single (the default), minilm or smollm2, which take a GPU where there is one
    --processes NUMBER  by default one for each processor
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

from afa_ray.command_line import parse
from afa_ray.config import Settings
from afa_ray.data.corpus import Corpus, prepare_corpus
from afa_ray.dotted import override
from afa_ray.models import OwnTarget, save_player
from afa_ray.training.process import usable_cores
from studies.faithful.run import pretrained_folder
from studies.humal.tables import grid_rows, write_report
from studies.jobs import names, run_jobs, silence
from studies.training import CONFIGS, trained
from tune.imbalance_draws import (
    Cell,
    Draw,
    Pool,
    cells_of,
    draw,
    pool_of,
    settings_of_files,
    write_draw,
)
from tune.imbalance_measures import measure, read_figures
from tune.methods import METHODS
from tune.options import ImbalanceOptions

SEED = 0
OWN = {
    **METHODS,
    "humal-an-evenly": METHODS["humal-an"] | {"supervision.humal.evenly": True},
}


class Job(NamedTuple):
    """Methods that are trained on one draw."""

    model: str
    part: str
    readings: int
    cell: Cell
    replicate: int
    methods: tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> None:
    options = read_options(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "figures.jsonl"
    jobs = list(missing(options, file))
    if options.model != "single":
        pretrained_folder(options.model)  # is made once
    run_jobs(jobs, measured, said, file, options.processes)
    if file.exists():
        write_report(file, options.out)


def said(job: Job) -> str:
    return f"{job.part}, {job.cell.name}, replicate {job.replicate}"


def missing(options: argparse.Namespace, file: Path) -> Iterator[Job]:
    """What is not measured yet, replicate by replicate, the largest draws first."""
    fields = ("model", "part", "readings", "size", "share", "replicate", "method")
    done = {tuple(row[name] for name in fields) for row in grid_rows(file)}
    asked = ImbalanceOptions(sizes=options.sizes, shares=options.shares)
    cells = cells_of(asked, pool_of_part(options.part))
    for replicate in range(options.replicates):
        for cell in sorted(cells, reverse=True):
            about = (options.model, options.part, options.readings)
            waiting = tuple(m for m in options.methods if (*about, *cell, replicate, m) not in done)
            if waiting:
                yield Job(*about, cell, replicate, waiting)


def base_settings(model: str = "single") -> Settings:
    """Those of the protocol; the learning rate of a pretrained model is the paper's."""
    given = ["--config", str(CONFIGS / "humal.yaml"), "--mlflow.uri", "none"]
    if model != "single":
        given += ["--target.name", str(pretrained_folder(model)), "--train.target_lr", "5e-5"]
    return parse([*given, "--train.num_workers", "0"])


@cache
def pool_of_part(part: str) -> Pool:
    return pool_of(base_settings(), part)


def measured(job: Job) -> list[dict[str, Any]]:
    """What `tune.imbalance` measures of each method that is trained on a draw."""
    base, pool = base_settings(job.model), pool_of_part(job.part)
    drawn = draw(pool, [job.cell], job.replicate, ImbalanceOptions(), SEED)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["AFA_CACHE_DIR"] = name
        test, train = write_draw(pool, Draw(drawn.test, drawn.train), folder / "texts")
        files = settings_of_files(base, train[job.cell], test, pool.people is not None)
        more = {"train.seed": SEED + job.replicate, "target.hops": job.readings}
        own = {method: override(base, {**files, **more, **OWN[method]}) for method in job.methods}
        with silence():
            reading = override(base, {**files, **more, **METHODS["humal-al"]})
            corpus = prepare_corpus(reading)  # has all that any method reads
            found = {m: figures_of(s, corpus, folder / m, test) for m, s in own.items()}
    about = {name: getattr(job, name) for name in ("model", "part", "readings", "replicate")}
    about |= job.cell._asdict()
    return [{**about, "method": method, "figures": of} for method, of in found.items()]


def figures_of(settings: Settings, corpus: Corpus, run: Path, test: Path) -> dict[str, float]:
    started = time.perf_counter(), time.process_time()
    target = trained(settings, corpus, run, checkpoints=False).learner.target.eval()
    spent = time.perf_counter() - started[0], time.process_time() - started[1]
    model = run / "model"
    model.mkdir()
    if isinstance(target, OwnTarget):
        save_player(target, model)
    else:
        target.save_pretrained(model)
    corpus.tokenizer.save_pretrained(model)
    measure(run, test)
    seconds = {"wall_s": round(spent[0], 2), "train_s": round(spent[1], 2)}
    return {**read_figures(run), **seconds}


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    methods = ["plain", "as-random", "humal-al", "humal-an"]
    parser.add_argument("--methods", type=names, default=methods)
    parser.add_argument("--sizes", default="250,500,1000,2000")
    parser.add_argument("--shares", default="1,5,10,20,50")
    parser.add_argument("--replicates", type=int, default=10)
    parser.add_argument("--part", default="all")
    parser.add_argument("--readings", type=int, default=1)
    parser.add_argument("--model", choices=("single", "minilm", "smollm2"), default="single")
    parser.add_argument("--processes", type=int, default=usable_cores())
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
