"""Whole processes: killed at any moment, or many at once; and checkpoints that were damaged.

Rule: the same command completes, with the weights and records of the quiet run, and leaves nothing
else behind.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from afa_ray.data.tickets import write_tickets
from afa_ray.errors import UserError
from afa_ray.records.manifest import MANIFEST, checkpoints, find_checkpoint
from tests.campaign.rules import Outcome

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["afa_ray.train", "afa_ray.data.user_files", "sklearn.linear_model"])
SMALL = {
    "target.hidden_size": 16, "discriminator.hidden_size": 16, "train.num_workers": 0,
    "train.epochs": 3, "train.batch_size": 8, "train.checkpoint_every": 4, "train.log_every": 3,
    "train.patience": 0, "train.refit": "false", "data.max_length": 24, "evaluate.texts": 20,
    "data.text_column": "message", "data.label_column": "team", "target.word2vec": "false",
}  # fmt: skip
WEIGHTS = "model/model.safetensors"
LONGEST_S = 600


class Place:
    """A storage folder with a data file, and the runs in it."""

    def __init__(self, folder: Path, mlflow: str = "none") -> None:
        self.storage, self.data, self.mlflow = folder / "runs", folder / "tickets.csv", mlflow
        folder.mkdir(parents=True, exist_ok=True)
        if not self.data.exists():
            write_tickets(self.data, rows=80, seed=0)

    def start(self, name: str) -> Any:
        """The process of a run's command, which ends with its exit status."""
        given = SMALL | {"run.storage": self.storage, "run.name": name, "mlflow.uri": self.mlflow,
                         "data.train_file": self.data, "data.name": "t"}  # fmt: skip
        words = [f"--{key}={value}" for key, value in given.items()]
        process = CONTEXT.Process(target=_main, args=(words, str(self.storage) + f".{name}.txt"))
        process.start()
        return process

    def run(self, name: str) -> int | None:
        """The exit status of a run's command."""
        process = self.start(name)
        process.join(LONGEST_S)
        return process.exitcode

    def said(self, name: str) -> str:
        return Path(str(self.storage) + f".{name}.txt").read_text(errors="replace")

    def like(self, name: str, quiet: str = "quiet") -> list[str]:
        """How a run differs from the quiet one; empty where it does not."""
        one, other = self.storage / name, self.storage / quiet
        found = []
        if (one / WEIGHTS).read_bytes() != (other / WEIGHTS).read_bytes():
            found.append("other weights")
        if _records(one) != _records(other):
            found.append("other records")
        for part in ("test", "deletion_curve", "validation"):
            if _result(one)[part] != _result(other)[part]:
                found.append(f"other {part}")
        if left := set(_files(one)) ^ set(_files(other)):
            found.append(f"other files: {sorted(left)}")
        return found


def _main(words: list[str], output: str) -> None:
    from afa_ray.train import main

    os.environ.update({"OMP_NUM_THREADS": "1", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"})
    with (
        open(output, "a") as file,
        contextlib.redirect_stdout(file),
        contextlib.redirect_stderr(file),
    ):
        status = main(words)
    os._exit(status)


def _records(run: Path) -> list[dict[str, Any]]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    return [
        {k: v for k, v in record.items() if k != "at" and not k.startswith("time/")}
        for record in found
        if record["kind"] != "note"
    ]


def _result(run: Path) -> dict[str, Any]:
    return json.loads((run / "result.json").read_text())


def _files(run: Path) -> Iterator[str]:
    return (str(path.relative_to(run)) for path in run.rglob("*"))


def quiet_run(place: Place) -> float:
    """Have the run that nothing happened to; returns the seconds that it takes."""
    started = time.monotonic()
    if not (place.storage / "quiet" / "result.json").exists():
        assert place.run("quiet") == 0, place.said("quiet")
    else:
        assert place.run("timed") == 0, place.said("timed")
        shutil.rmtree(place.storage / "timed")
    return time.monotonic() - started


def kill(folder: Path, seed: int, times: int, mlflow: str = "none") -> Outcome:
    """Kill a run so many times, each at a moment that is uniform over a quiet run's time, and
    complete it by the same command after each."""
    outcome, place = Outcome("kills", seed), Place(folder, mlflow)
    seconds, moments = quiet_run(place), random.Random(seed)
    for number in range(times):
        name = f"killed-{seed}-{number}"
        process = place.start(name)
        process.join(moments.uniform(0, seconds))
        process.kill()
        process.join()
        status = place.run(name)
        wrong = place.like(name) if status == 0 else [f"status {status}: {place.said(name)[-800:]}"]
        wrong += tracked(place, name) if mlflow != "none" else []
        outcome.broken += [f"{name}: {fault}" for fault in wrong]
        outcome.done += not wrong
        shutil.rmtree(place.storage / name, ignore_errors=True)
    return outcome


def crowd(folder: Path, seed: int, runs: int) -> Outcome:
    """So many runs at once, in a new storage with a new sqlite store: all complete and tracked."""
    outcome = Outcome("crowd", seed)
    shutil.rmtree(folder, ignore_errors=True)
    place = Place(folder, f"sqlite:///{folder}/mlflow.db")
    processes = [place.start(f"r{number}") for number in range(runs)]
    for number, process in enumerate(processes):
        process.join(LONGEST_S)
        if process.exitcode != 0 or "could not be reached" in place.said(f"r{number}"):
            outcome.broken.append(
                f"r{number}: {process.exitcode}: {place.said(f'r{number}')[-800:]}"
            )
    for number in range(runs):
        outcome.broken += tracked(place, f"r{number}")
    outcome.done = runs - len(outcome.broken)
    return outcome


def tracked(place: Place, name: str) -> list[str]:
    """What is wrong with what the server has of a complete run."""
    from mlflow import MlflowClient

    client = MlflowClient(place.mlflow)
    experiment = client.get_experiment_by_name("afa_ray")
    found = client.search_runs([experiment.experiment_id]) if experiment else []
    found = [run for run in found if run.info.run_name == name]
    if len(found) != 1:
        return [f"{name} is {len(found)} times at the server"]
    steps = [
        metric.step for metric in client.get_metric_history(found[0].info.run_id, "train/loss")
    ]
    wanted = [r["step"] for r in _records(place.storage / name) if r["kind"] == "train"]
    if (found[0].info.status, steps) != ("FINISHED", wanted):
        return [f"{name} is {found[0].info.status}, with steps {steps} of {wanted}"]
    return []


def interrupted(place: Place) -> Path:
    """A run with two checkpoints that is not complete."""
    run = place.storage / "cut"
    if not run.exists():
        process = place.start("cut")
        while len(checkpoints(run)) < 2:
            assert process.is_alive(), place.said("cut")
            time.sleep(0.01)
        process.kill()
        process.join()
    return run


def damage(folder: Path, seed: int, every: int, resumes: int) -> Outcome:
    """Truncate, empty, delete, exchange and flip bytes in every file of a run's last checkpoint:
    each is noticed, and of `resumes` of them the run is completed as if nothing had been."""
    outcome, place = Outcome("checkpoints", seed), Place(folder)
    quiet_run(place)
    run = interrupted(place)
    older, newer = find_whole(run)
    chosen: list[tuple[str, bytes | None]] = []
    for file in sorted(newer.iterdir()):
        content = file.read_bytes()
        for changed in damages(content, (older / file.name).read_bytes(), every, seed):
            _put(file, changed)
            found = find_checkpoint(run)
            if found.folder == older and str(newer) in found.damaged[0]:
                outcome.done += 1
                chosen.append((file.name, changed))
            else:
                outcome.broken.append(f"{file.name}: not noticed")
        _put(file, content)
    for number, (name, changed) in enumerate(random.Random(seed).sample(chosen, resumes)):
        outcome.broken += resumed(place, run, f"again-{seed}-{number}", name, changed)
    outcome.broken += refuses_where_all_are_damaged(run)
    return outcome


def find_whole(run: Path) -> tuple[Path, Path]:
    older, newer = checkpoints(run)[-2:]
    assert find_checkpoint(run).folder == newer
    return older, newer


def damages(content: bytes, older: bytes, every: int, seed: int) -> Iterator[bytes | None]:
    """The content of a file as it should not be; None where it is deleted."""
    yield None
    yield b""
    for length in (1, len(content) // 2, len(content) - 1):
        yield content[:length]
    if older != content:
        yield older
    for place in range(seed % every, len(content), every):
        yield content[:place] + bytes([content[place] ^ (1 + place % 255)]) + content[place + 1 :]


def resumed(place: Place, run: Path, name: str, file: str, changed: bytes | None) -> list[str]:
    """What is wrong with a copy of the run that goes on after that damage."""
    copy = place.storage / name
    shutil.copytree(run, copy)
    config = copy / "config.yaml"
    config.write_text(config.read_text().replace("name: cut", f"name: {name}"))
    (copy / ".lock").unlink(missing_ok=True)
    _put(checkpoints(copy)[-1] / file, changed)
    status = place.run(name)
    wrong = place.like(name) if status == 0 else [f"status {status}: {place.said(name)[-800:]}"]
    shutil.rmtree(copy)
    return [f"{file} after damage: {fault}" for fault in wrong]


def refuses_where_all_are_damaged(run: Path) -> list[str]:
    kept = {folder: (folder / MANIFEST).read_bytes() for folder in checkpoints(run)}
    for folder in kept:
        (folder / MANIFEST).unlink()
    try:
        find_checkpoint(run)
        return ["a run without a whole checkpoint is not refused"]
    except UserError:
        return []
    finally:
        for folder, content in kept.items():
            (folder / MANIFEST).write_bytes(content)


def _put(file: Path, content: bytes | None) -> None:
    if content is None:
        file.unlink(missing_ok=True)
    else:
        file.write_bytes(content)
