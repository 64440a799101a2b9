"""Real runs of `python -m afa_ray.train`: the single layer, a pretrained Target, a Ray worker."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, BertConfig

from afa_ray.benchmark.gpu.checks import Check, Figure, Found
from afa_ray.benchmark.gpu.options import GpuSettings
from afa_ray.config import SINGLE_LAYER
from afa_ray.data.generated import generate_reviews
from afa_ray.data.tokenizer import train_tokenizer
from afa_ray.records.manifest import checkpoints
from afa_ray.records.run_folder import RESULT
from afa_ray.train import main

LENGTH = 128
LAST_LINES = 5


def checks(settings: GpuSettings) -> Iterator[Check]:
    small = settings.benchmark.small
    steps = 10 if small else 300
    yield "single layer", lambda: found(train(small, SINGLE_LAYER, steps))
    yield "pretrained, from a folder", lambda: found(train_pretrained(small, steps))


def ray_checks(settings: GpuSettings) -> Iterator[Check]:
    yield "Ray worker, killed and resumed", lambda: kill_and_resume(settings)


def train(small: bool, target: str, steps: int) -> dict[str, Any]:
    """A run in this process, without Ray; its result.

    Raises:
        RuntimeError: with its last lines, if it failed.
    """
    output = io.StringIO()
    with tempfile.TemporaryDirectory(prefix="afa_run_") as storage:
        run = Path(storage) / "run"
        with redirect_stdout(output), redirect_stderr(output):
            status = main(arguments(run, small, target, steps, workers=0))
        return result_of(run, status, output.getvalue())


def train_pretrained(small: bool, steps: int) -> dict[str, Any]:
    """The same with a BERT of random weights, and a tokenizer of its own, from a folder."""
    with tempfile.TemporaryDirectory(prefix="afa_model_") as folder:
        texts = generate_reviews(seed=0).train.texts
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


def few_reviews(folder: Path) -> dict[str, Path]:
    """The first generated reviews of each split as files of the user's own, and as settings."""
    corpus, files = generate_reviews(seed=0), {}
    for name, count in (("train", 300), ("validation", 30), ("test", 30)):
        texts, path = getattr(corpus, name), folder / f"{name}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            rows = zip(texts.texts[:count], texts.labels[:count].tolist(), strict=True)
            csv.writer(file).writerows([("text", "label"), *rows])
        files[f"data.{name}_file"] = path
    return files


def start(words: list[str]) -> subprocess.Popen[str]:
    """`python -m afa_ray.train` in a process, and a group of processes, of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "afa_ray.train", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for(process: subprocess.Popen[str], run: Path) -> dict[str, Any]:
    """What a run has written when its process has ended; raises as `result_of`."""
    try:
        output, _ = process.communicate()
    finally:
        kill(process)
    return result_of(run, process.returncode, output)


def result_of(run: Path, status: int, output: str) -> dict[str, Any]:
    """What a run has written at its end.

    Raises:
        RuntimeError: with its last lines, if it failed.
    """
    if status != 0:
        lines = " / ".join(output.strip().splitlines()[-LAST_LINES:])
        raise RuntimeError(f"exit status {status}: {lines}")
    return json.loads((run / RESULT).read_text(encoding="utf-8"))


def kill(process: subprocess.Popen[str]) -> None:
    """The process and those of its group that are left."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


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
    """A run in a Ray worker, killed after its first checkpoint, and continued to its end."""
    if importlib.util.find_spec("ray") is None:
        return Found({"not run": "Ray is not installed here"})
    small = settings.benchmark.small
    steps = 40 if small else 200
    with tempfile.TemporaryDirectory(prefix="afa_run_") as storage:
        run = Path(storage) / "run"
        words = arguments(run, small, SINGLE_LAYER, steps, workers=1)
        process = start(words)
        while not (there := checkpoints(run)):
            if process.poll() is not None:
                wait_for(process, run)
                raise RuntimeError("the run was over before it could be killed")
            time.sleep(0.02)
        kill(process)
        killed_at = there[-1].name
        ended = found(wait_for(start(words), run))
    return Found({"killed at": killed_at, **ended.figures}, ended.figures["updates"] == steps)
