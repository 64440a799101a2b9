"""HuMAL's grid on a single layer, without Ray: `python -m studies.humal.run OUT`.

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
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
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
from studies.humal.tables import write_report
from studies.rivals.run import silence
from studies.small_files.run import CONFIGS, trained
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
    started = time.perf_counter()
    with ProcessPoolExecutor(usable_cores()) as pool:
        running = {pool.submit(measured, job): job for job in jobs}
        for count, done in enumerate(as_completed(running), start=1):
            job = running[done]
            said = f"{job.part}, {job.cell.name}, replicate {job.replicate}"
            try:
                rows = done.result()
            except Exception:
                print(f"failed: {said}\n{traceback.format_exc()}", flush=True)
                continue
            with file.open("a", encoding="utf-8") as lines:
                lines.writelines(json.dumps(row) + "\n" for row in rows)
            left = (time.perf_counter() - started) / count * (len(jobs) - count) / 60
            print(f"{count}/{len(jobs)} {said} ({left:.0f} min left)", flush=True)
    if file.exists():
        write_report(file, options.out)


def missing(options: argparse.Namespace, file: Path) -> Iterator[Job]:
    """What is not measured yet, replicate by replicate, the largest draws first."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    done = {
        tuple(row[k] for k in ("part", "readings", "size", "share", "replicate", "method"))
        for row in map(json.loads, lines)
    }
    asked = ImbalanceOptions(sizes=options.sizes, shares=options.shares)
    cells = cells_of(asked, pool_of_part(options.part))
    for replicate in range(options.replicates):
        for cell in sorted(cells, reverse=True):
            about = (options.part, options.readings, *cell, replicate)
            waiting = tuple(m for m in options.methods if (*about, m) not in done)
            if waiting:
                yield Job(options.part, options.readings, cell, replicate, waiting)


def base_settings() -> Settings:
    """Those of the protocol."""
    given = ["--config", str(CONFIGS / "humal.yaml"), "--mlflow.uri", "none"]
    return parse([*given, "--train.num_workers", "0"])


@cache
def pool_of_part(part: str) -> Pool:
    return pool_of(base_settings(), part)


def measured(job: Job) -> list[dict[str, Any]]:
    """What `tune.imbalance` measures of each method that is trained on a draw."""
    base, pool = base_settings(), pool_of_part(job.part)
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
    about = {"part": job.part, "readings": job.readings, **job.cell._asdict()}
    about["replicate"] = job.replicate
    return [{**about, "method": method, "figures": of} for method, of in found.items()]


def figures_of(settings: Settings, corpus: Corpus, run: Path, test: Path) -> dict[str, float]:
    started = time.process_time()
    target = trained(settings, corpus, run).learner.target.eval()
    assert isinstance(target, OwnTarget)
    seconds = time.process_time() - started
    model = run / "model"
    model.mkdir()
    save_player(target, model)
    corpus.tokenizer.save_pretrained(model)
    measure(run, test)
    return {**read_figures(run), "train_s": round(seconds, 2)}


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    def names(text: str) -> list[str]:
        return text.split(",")

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    methods = ["plain", "as-random", "humal-al", "humal-an"]
    parser.add_argument("--methods", type=names, default=methods)
    parser.add_argument("--sizes", default="250,500,1000,2000")
    parser.add_argument("--shares", default="1,5,10,20,50")
    parser.add_argument("--replicates", type=int, default=10)
    parser.add_argument("--part", default="all")
    parser.add_argument("--readings", type=int, default=1)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
