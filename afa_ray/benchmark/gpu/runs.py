"""Real runs of `python -m afa_ray.train`: the single layer, a pretrained Target, a Ray worker."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import cache, partial
from pathlib import Path
from threading import Thread
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, BertConfig

from afa_ray.benchmark.gpu.checks import Check, Figure, Found
from afa_ray.benchmark.gpu.options import GpuSettings
from afa_ray.command_line import TRAIN, run_command
from afa_ray.config import SINGLE_LAYER
from afa_ray.data.corpus import Corpus
from afa_ray.data.generated import generate_reviews
from afa_ray.data.texts import RawCorpus
from afa_ray.data.tokenizer import train_tokenizer
from afa_ray.models import AnyTarget
from afa_ray.objectives.interface import Weighed
from afa_ray.records.manifest import checkpoints
from afa_ray.records.run_folder import RESULT
from afa_ray.train import train as start
from afa_ray.training.making import Further, no_more

LENGTH = 128
LAST_LINES = 5
KILLED = "killed"  # beside the run: the checkpoint after which its worker was killed


def checks(settings: GpuSettings) -> Iterator[Check]:
    small = settings.benchmark.small
    steps = 10 if small else 300
    yield "single layer", lambda: found(train(small, SINGLE_LAYER, steps))
    yield "pretrained, from a folder", lambda: found(train_pretrained(small, steps))


def ray_checks(settings: GpuSettings) -> Iterator[Check]:
    yield "Ray worker, killed and resumed", lambda: kill_and_resume(settings)


def train(small: bool, target: str, steps: int) -> dict[str, Any]:
    """A run in this process, without Ray; its result."""
    with tempfile.TemporaryDirectory(prefix="afa_run_") as storage:
        run = Path(storage) / "run"
        return completed(run, arguments(run, small, target, steps, workers=0))


def completed(run: Path, words: list[str], further: Further = no_more) -> dict[str, Any]:
    """The result of the run that a training command makes.

    Raises:
        RuntimeError: with its last lines, if it failed.
    """
    output = io.StringIO()
    with redirect_stdout(output), redirect_stderr(output):
        status = run_command(TRAIN, lambda settings: int(not start(settings, further)), words)
    if status != 0:
        lines = " / ".join(output.getvalue().strip().splitlines()[-LAST_LINES:])
        raise RuntimeError(f"exit status {status}: {lines}")
    return json.loads((run / RESULT).read_text(encoding="utf-8"))


def train_pretrained(small: bool, steps: int) -> dict[str, Any]:
    """The same with a BERT of random weights, and a tokenizer of its own, from a folder."""
    with tempfile.TemporaryDirectory(prefix="afa_model_") as folder:
        texts = reviews().train.texts
        tokenizer = train_tokenizer(texts, 2000, LENGTH)
        wide, layers = (32, 2) if small else (256, 4)
        config = BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=wide,
            intermediate_size=4 * wide,
            num_hidden_layers=layers,
            num_attention_heads=4,
            pad_token_id=tokenizer.pad_token_id,
        )
        AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return train(small, folder, steps)


def arguments(run: Path, small: bool, target: str, steps: int, workers: int) -> list[str]:
    """Of `python -m afa_ray.train` on generated reviews, with a checkpoint every ten updates."""
    settings: dict[str, Any] = {
        "data.name": "reviews",
        "data.max_length": LENGTH,
        "target.name": target,
        "target.word2vec": "false",
        "train.num_workers": workers,
        "train.max_steps": steps,
        "train.patience": 0,
        "train.checkpoint_every": 10,
        "train.max_failures": 1,
        "train.log_every": 10,
        "mlflow.uri": "none",
        "run.storage": run.parent,
        "run.name": run.name,
    }
    if small:
        settings |= {
            "target.hidden_size": 32,
            "target.bag_of_words": "false",
            "discriminator.hidden_size": 32,
            "train.batch_size": 8,
            "train.refit": "false",
            **few_reviews(run.parent),
        }
    if torch.cuda.is_available() and workers:
        settings["train.use_gpu"] = "true"
    return [word for name, value in settings.items() for word in (f"--{name}", str(value))]


@cache
def reviews() -> RawCorpus:
    return generate_reviews(seed=0)


def few_reviews(folder: Path) -> dict[str, Path]:
    """The first generated reviews of each split as files of the user's own, and as settings."""
    corpus, files = reviews(), {}
    for name, count in (("train", 300), ("validation", 30), ("test", 30)):
        texts, path = getattr(corpus, name), folder / f"{name}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            rows = zip(texts.texts[:count], texts.labels[:count].tolist(), strict=True)
            csv.writer(file).writerows([("text", "label"), *rows])
        files[f"data.{name}_file"] = path
    return files


def found(result: dict[str, Any]) -> Found:
    training = result["training"]
    figures: dict[str, Figure] = {
        "test accuracy": result["test"]["accuracy"],
        "updates": training["steps"],
        "seconds": training["seconds"],
        "tokens/s": training["tokens_per_s"],
    }
    return Found(figures, training["steps"] > 0)


def kill_and_resume(settings: GpuSettings) -> Found:
    """A run in a Ray worker, which is killed after its first checkpoint; another continues."""
    if importlib.util.find_spec("ray") is None:
        return Found({"not run": "Ray is not installed here"})
    small = settings.benchmark.small
    steps = 40 if small else 200
    with tempfile.TemporaryDirectory(prefix="afa_run_") as storage:
        run, mark = Path(storage) / "run", Path(storage) / KILLED
        words = arguments(run, small, SINGLE_LAYER, steps, workers=1)
        ended = found(completed(run, words, partial(die_once, run)))
        if not mark.exists():
            raise RuntimeError("the run was over before its worker could be killed")
        figures: dict[str, Figure] = {"killed at": mark.read_text(encoding="utf-8")}
    return Found(figures | ended.figures, ended.figures["updates"] == steps)


def die_once(run: Path, target: AnyTarget, corpus: Corpus) -> Sequence[Weighed]:
    """No objectives; but the worker's process is killed after the run's first checkpoint."""
    if not checkpoints(run):
        Thread(target=_die_at_a_checkpoint, args=(run,), daemon=True).start()
    return ()


def _die_at_a_checkpoint(run: Path) -> None:
    while not (there := checkpoints(run)):
        time.sleep(0.01)
    (run.parent / KILLED).write_text(there[-1].name, encoding="utf-8")
    os.kill(os.getpid(), signal.SIGKILL)
