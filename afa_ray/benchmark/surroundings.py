"""What stands around the updates: data, start-up, Ray, evaluation. Each figure has its bar."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from afa_ray.benchmark.options import SpeedSettings
from afa_ray.benchmark.step import CLASSES, SPECIAL, make_learner
from afa_ray.benchmark.timing import turn_of
from afa_ray.config import Settings
from afa_ray.data.corpus import Corpus, prepare_corpus
from afa_ray.data.packed import pack
from afa_ray.data.sources import load_raw
from afa_ray.data.tokenizer import train_tokenizer
from afa_ray.data.word2vec import Sentences, train_word_vectors
from afa_ray.dotted import override
from afa_ray.errors import UserError
from afa_ray.evaluation.deletion import DELETION
from afa_ray.evaluation.one_pass import figure
from afa_ray.records.tracking import read_records
from afa_ray.training.learner import Learner
from afa_ray.training.making import batches_for
from afa_ray.training.process import usable_cores

UPDATES = 12  # timed, of batches of all lengths
EPOCHS = 3
TRAIN = [sys.executable, "-m", "afa_ray.train", "--mlflow.uri", "none"]


class Figure(NamedTuple):
    """A measured value, its unit and the bar: what it should at most, or `at_least`, be."""

    what: str
    value: float
    unit: str
    bar: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.value >= self.bar if self.at_least else self.value <= self.bar


def measure(settings: SpeedSettings) -> dict[str, Any]:
    """The figures, and what could not be measured and why."""
    torch.set_num_threads(usable_cores())
    figures: list[Figure] = []
    missing: list[str] = []
    parts: list[Callable[[Settings], list[Figure]]] = [of_imdb, of_ag_news, of_starting, of_ray]
    for part in parts:
        try:
            figures += part(settings)
        except UserError as error:
            missing.append(f"{part.__name__}: {error}")
    return {"figures": [figure._asdict() for figure in figures], "missing": missing}


def of_imdb(settings: Settings) -> list[Figure]:
    """Tokenising, batching and evaluating, the last two as shares of an epoch of training."""
    settings = override(settings, {"data.name": "imdb", "target.word2vec": False})
    ours, bare = tokenising(settings)
    corpus = prepare_corpus(settings)
    assert len(corpus.label_names) == CLASSES
    return [
        Figure("imdb: tokenising and packing", ours, "MB/s", 20, at_least=True),
        Figure("… against `tokenizers` alone", ours / bare, "times", 0.9, at_least=True),
        *shares_of_an_epoch(settings, corpus),
    ]


def shares_of_an_epoch(settings: Settings, corpus: Corpus) -> list[Figure]:
    """What making its batches and evaluating after it take, against its updates."""
    learner = make_learner(override(settings, {"data.vocab_size": len(corpus.tokenizer)}))
    epoch = epoch_seconds(learner, corpus)
    started = time.perf_counter()
    for _ in batches_for(learner, corpus, epoch=0):
        pass
    batching = time.perf_counter() - started
    started = time.perf_counter()
    figure(learner.target, corpus.validation, tuple(range(SPECIAL)), 0, DELETION)
    evaluating = time.perf_counter() - started
    name = settings.data.name
    return [
        Figure(f"{name}: batches of an epoch", batching / epoch, "of an epoch", 0.03),
        Figure(f"{name}: validation with deletion curve", evaluating / epoch, "of an epoch", 0.2),
    ]


def tokenising(settings: Settings) -> tuple[float, float]:
    """MB/s of UTF-8 text, on all cores: of `pack`, and of the tokenizer's fastest call alone."""
    texts = load_raw(settings.data, seed=0).train
    assert isinstance(texts.texts, list)
    tokenizer = train_tokenizer(texts.texts, settings.data.vocab_size, settings.data.max_length)
    megabytes = sum(len(text.encode()) for text in texts.texts) / 1e6
    rounds: dict[str, list[float]] = {"ours": [], "bare": []}
    for _ in range(2):
        started = time.perf_counter()
        pack(texts, tokenizer, settings.data.max_length)
        between = time.perf_counter()
        for i in range(0, len(texts), 1024):
            tokenizer.backend_tokenizer.encode_batch_fast(texts.texts[i : i + 1024])
        rounds["ours"].append(between - started)
        rounds["bare"].append(time.perf_counter() - between)
    return megabytes / min(rounds["ours"]), megabytes / min(rounds["bare"])


def epoch_seconds(learner: Learner, corpus: Corpus) -> float:
    """What the updates of an epoch take: the mean of some, drawn evenly, times their number."""
    batches = list(batches_for(learner, corpus, epoch=0))
    chosen = np.linspace(0, len(batches) - 1, UPDATES + 2).astype(int)
    seconds = turn_of(learner)([batches[number] for number in chosen])
    return statistics.mean(seconds[2:]) * len(batches)


def of_ag_news(settings: Settings) -> list[Figure]:
    """Training word vectors."""
    corpus = prepare_corpus(override(settings, {"data.name": "ag_news", "target.word2vec": False}))
    started = time.perf_counter()
    words, size = len(corpus.tokenizer), settings.target.hidden_size
    train_word_vectors(Sentences(corpus.train.tokens, corpus.train.offsets), words, size, 0)
    return [Figure("ag_news: word2vec, once", time.perf_counter() - started, "s", 60)]


def of_starting(settings: Settings) -> list[Figure]:
    """From the command to its first update, the second time, with and without Ray."""
    figures = []
    for name, workers in (("in one process", 0), ("in a Ray worker", 1)):
        with tempfile.TemporaryDirectory(prefix="afa_start_") as folder:
            seconds = [_seconds_to_first_step(folder, f"{name}-{i}", workers) for i in range(2)]
        figures.append(Figure(f"reviews: to the first update, {name}", seconds[-1], "s", 15))
    return figures


def _seconds_to_first_step(folder: str, name: str, workers: int) -> float:
    run = Path(folder) / name.replace(" ", "-")
    started = time.time()
    _train(folder, run.name, workers, "--train.max_steps", "1", "--train.log_every", "1")
    return _records(run, "train")[0]["at"] - started


def of_ray(settings: Settings) -> list[Figure]:
    """Epochs in a Ray worker against epochs in this process, with validation and checkpoints."""
    ratios = []
    with tempfile.TemporaryDirectory(prefix="afa_ray_") as folder:
        for turn in range(2):
            epochs = []
            for workers in (1, 0):
                name = f"turn-{turn}-{workers}"
                _train(folder, name, workers, "--train.epochs", str(EPOCHS))
                at = [record["at"] for record in _records(Path(folder) / name, "epoch")]
                epochs.append(statistics.median(np.diff(at)))
            ratios.append(epochs[0] / epochs[1])
    return [
        Figure(
            "reviews: an epoch with Ray Train over one without",
            statistics.median(ratios),
            "times",
            1.05,
        )
    ]


def _train(folder: str, name: str, workers: int, *arguments: str) -> None:
    where = ["--run.storage", folder, "--run.name", name, "--train.num_workers", str(workers)]
    done = subprocess.run([*TRAIN, *where, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"afa_ray.train failed: {done.stderr.strip()}")


def _records(run: Path, kind: str) -> list[dict[str, Any]]:
    return [record for record in read_records(run).records if record["kind"] == kind]


def table(found: dict[str, Any]) -> str:
    """Markdown."""
    lines = ["| | measured | bar | |", "|---|---|---|---|"]
    for values in found["figures"]:
        figure = Figure(**values)
        bar = f"{'≥' if figure.at_least else '≤'} {figure.bar:g}"
        met = "" if figure.met else "missed"
        lines.append(f"| {figure.what} | {figure.value:.3g} {figure.unit} | {bar} | {met} |")
    return "\n".join(lines + [f"\nNot measured: {reason}" for reason in found["missing"]])
