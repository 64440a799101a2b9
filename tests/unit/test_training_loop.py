"""When training ends, which weights are kept, and what workers share: from the folders of runs."""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from afa_ray.config import Settings
from afa_ray.data.corpus import prepare_corpus
from afa_ray.evaluation.deletion import DELETION
from afa_ray.records.checkpoint import read_progress
from afa_ray.train import train
from afa_ray.training.selection import gain
from afa_ray.training.session import Session, local_session
from afa_ray.training.worker import Job, Worker
from tests.conftest import small_texts, with_values

STANDING = 1e-12  # a learning rate that changes no weight of single precision
RATE = 1e-4
MakeSettings = Callable[..., Settings]


def write_rows(path: Path, rows: list[tuple[str, Any]]) -> str:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return str(path)


@pytest.fixture
def settings_of(tiny_settings: MakeSettings, tmp_path: Path) -> MakeSettings:
    """Of plain training on 100 small texts, a fifth of their labels wrong, with other values."""
    files = {}
    for seed, (split, count) in enumerate((("train", 100), ("validation", 60), ("test", 20))):
        texts = small_texts(count, seed)
        labels = [label ^ (i % 5 == 0) for i, label in enumerate(texts.labels.tolist())]
        rows = list(zip(texts.texts, labels, strict=True))
        files[f"data.{split}_file"] = write_rows(tmp_path / f"{split}.csv", rows)
    common = {
        **files, "data.name": "own", "run.storage": str(tmp_path), "run.name": "run",
        "afa.lambda_adv": 0.0, "evaluate.texts": 10,
    }  # fmt: skip
    return lambda values: tiny_settings(common | values)


def records(run: Path) -> list[dict[str, Any]]:
    """What a run has logged."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def epochs_of(run: Path) -> list[dict[str, Any]]:
    return [record for record in records(run) if record["kind"] == "epoch"]


def loop(settings: Settings) -> Path:
    """Train without the evaluation that follows; the folder of the run."""
    run = Path(settings.run.storage, str(settings.run.name))
    run.mkdir()
    session = local_session(run, torch.device("cpu"))
    Worker(Job(settings, prepare_corpus(settings), run, None), session).train()
    return run


@pytest.mark.parametrize(("patience", "epochs"), [(1, 2), (3, 4), (0, 5)])
def test_training_stops_when_validation_has_not_improved(
    settings_of: MakeSettings, patience: int, epochs: int
) -> None:
    """After the first epoch it does not; a patience of 0 has no end."""
    values = {"train.target_lr": STANDING, "train.epochs": 5, "train.patience": patience}
    assert len(epochs_of(loop(settings_of(values)))) == epochs


@pytest.mark.parametrize("average", [0, 3])
def test_the_weights_of_the_best_epoch_are_kept(settings_of: MakeSettings, average: int) -> None:
    """The model of the end, judged on the texts that chose its epoch, whence patience counts.

    Of several seeds one whose last epoch is clearly worse than its best tells the two apart.
    """
    settings = settings_of(
        {"train.target_lr": 3e-2, "train.epochs": 30, "train.patience": 4,
         "train.average": average, "train.margin": 0.0, "data.evaluate_on": "validation"}
    )  # fmt: skip
    for seed in range(6):
        result = train(with_values(settings, **{"train.seed": seed, "run.name": f"seed {seed}"}))
        run = Path(settings.run.storage, f"seed {seed}")
        epochs = {record["epoch"]: record["val/accuracy"] for record in epochs_of(run)}
        best = result["validation"]["epoch"]
        assert epochs[best] == max(epochs.values())
        assert result["test"]["accuracy"] == pytest.approx(epochs[best], abs=1e-9)
        assert result["training"]["epochs"] == max(epochs) == best + 4
        if epochs[best] > epochs[max(epochs)]:
            return
    pytest.fail("no seed told the best epoch from the last")


def test_the_last_epoch_is_kept_where_it_is_chosen(settings_of: MakeSettings) -> None:
    """Whatever validation says, which has nothing to improve here; nor does patience end it."""
    values = {"train.target_lr": STANDING, "train.epochs": 4, "train.patience": 1}
    assert train(settings_of(values))["validation"]["epoch"] == 1
    result = train(settings_of(values | {"train.choose": "last", "run.name": "last"}))
    assert result["validation"]["epoch"] == result["training"]["epochs"] == 4


def test_a_gain_within_the_margin_is_none() -> None:
    """Of 100 texts of which 80 are right the standard error is .04."""
    assert gain(0.82, 0.8, 100, 0.5) == 0
    assert gain(0.83, 0.8, 100, 0.5) == pytest.approx(0.03)
    assert gain(0.79, 0.8, 100, 0.5) == pytest.approx(-0.01)
    assert gain(0.81, 0.8, 100, 0.0) == pytest.approx(0.01)
    assert gain(1.0, 1.0, 100, 0.5) == gain(0.0, 0.0, 100, 0.5) == 0


@pytest.mark.parametrize("margin", [0.0, 40.0])
def test_only_epochs_that_are_better_by_a_margin_are_taken(
    settings_of: MakeSettings, margin: float
) -> None:
    """40 standard errors are no accuracy's: the first average that holds no start stays."""
    values = {"train.target_lr": 3e-3, "train.epochs": 8, "train.patience": 0}
    run = loop(settings_of(values | {"train.average": 7, "train.margin": margin}))
    found = [(epoch["val/accuracy"], epoch["epoch"]) for epoch in epochs_of(run)]
    best = read_progress(max(run.glob("checkpoint_*"))).best_epoch
    first_of_the_best = min(epoch for accuracy, epoch in found if accuracy == max(found)[0])
    assert first_of_the_best > 1
    assert best == (1 if margin else first_of_the_best)


@pytest.mark.parametrize("most", [3, 7, 17])  # of 7 updates an epoch
def test_max_steps_is_the_last_update(settings_of: MakeSettings, most: int) -> None:
    found = records(loop(settings_of({"train.max_steps": most, "train.patience": 0})))
    assert (found[-1]["step"], found[-1]["epoch"]) == (most, -(-most // 7))


RATES = {
    "constant": ({}, 4.0),
    "linear": ({"train.schedule": "linear"}, 1 + 3 / 4 + 2 / 4 + 1 / 4),
    "warm": ({"train.warmup_steps": 8}, (1 + 2 + 3 + 4) / 8),
    "both": ({"train.schedule": "linear", "train.warmup_steps": 2}, 1 / 2 + 1 + 1 + 1 / 2),
}


@pytest.mark.parametrize("name", RATES)
def test_the_learning_rate_follows_the_schedule(
    settings_of: MakeSettings, tmp_path: Path, name: str
) -> None:
    """Where an update is like the one before, Adam moves a weight by the learning rate: four
    updates with the same texts, by the sum of four learning rates."""
    values, factors = RATES[name]
    rows = [(text, i % 2) for i, text in enumerate(small_texts(16, 3).texts)]
    common = {
        "data.train_file": write_rows(tmp_path / "batch.csv", rows), "train.epochs": 4,
        "target.dropout": 0.0, "train.patience": 0, **values,
    }  # fmt: skip
    moved = farthest("target", settings_of(common), "train.target_lr")
    assert moved == pytest.approx(RATE * factors, rel=0.02)


def test_the_discriminator_warms_up_too(settings_of: MakeSettings) -> None:
    """By Adam's first update each weight moves by the learning rate."""
    values = {"afa.lambda_adv": 0.5, "train.max_steps": 1, "train.warmup_steps": 4}
    moved = farthest("discriminator", settings_of(values), "train.discriminator_lr")
    assert moved == pytest.approx(RATE / 4, rel=0.02)


def farthest(player: str, settings: Settings, rate: str) -> float:
    """How far the weight of a player has moved in a run that has moved most, with the rate `RATE`,
    from where it is with a rate that moves none."""
    ends = []
    for value in (STANDING, RATE):
        run = loop(with_values(settings, **{rate: value, "run.name": f"at {value}"}))
        ends.append(load_file(max(run.glob("checkpoint_*")) / f"{player}.safetensors"))
    before, after = ends
    return max((after[name] - before[name]).abs().max().item() for name in before)


def one_of(workers: int, rank: int, run: Path, add_up: Callable, saved: list) -> Session:
    """A worker's surroundings in this process; what it would save is collected."""

    def save(name: str, figures: dict[str, float], write: Callable) -> None:
        saved.append(figures)

    local = local_session(run, torch.device("cpu"))
    return replace(local, rank=rank, workers=workers, add_up=add_up, save=save)


def test_workers_draw_dropout_of_their_own(settings_of: MakeSettings, tmp_path: Path) -> None:
    """All texts are the same, and all labels but one: only the noise can differ."""
    rows = [("the same words", "b" if i == 0 else "a") for i in range(64)]
    settings = settings_of(
        {"data.train_file": write_rows(tmp_path / "same.csv", rows), "train.target_lr": STANDING,
         "data.validation_file": write_rows(tmp_path / "few.csv", rows[:4]),
         "data.test_file": write_rows(tmp_path / "none.csv", rows[:4]),
         "train.batch_size": 4, "train.epochs": 1, "train.log_every": 1, "target.dropout": 0.5}
    )  # fmt: skip
    corpus = prepare_corpus(settings)

    def figures(name: str, rank: int) -> list[Tensor]:
        """Of each update of a worker of two, before they are added up."""
        run, told = tmp_path / name, []
        run.mkdir()
        session = one_of(2, rank, run, lambda tensor: told.append(tensor.clone()), [])
        Worker(Job(settings, corpus, run, None), session).train()
        return told[:16]

    first, again, second = figures("first", 0), figures("again", 0), figures("second", 1)
    assert all(map(torch.equal, first, again))
    assert not any(map(torch.equal, first, second))


def test_workers_add_up_what_they_found_in_validation(
    settings_of: MakeSettings, tmp_path: Path
) -> None:
    """Two workers, who stand still, find what one finds alone, and both of them the same; the
    score's area is that of every text, once, and not of sums whose ratio happens to be the same."""
    texts = small_texts(600, 5)
    rows = list(zip(texts.texts, texts.labels.tolist(), strict=True))
    settings = settings_of(
        {"data.validation_file": write_rows(tmp_path / "many.csv", rows), "train.epochs": 1,
         "train.target_lr": STANDING, "train.deletion_weight": 0.5, "target.bag_of_words": True}
    )  # fmt: skip
    corpus = prepare_corpus(settings)

    def validation(workers: int) -> tuple[list[dict[str, float]], list[Tensor]]:
        """What each of so many workers has found at the end of the epoch, and the sums."""
        run, saved, adding = tmp_path / f"of {workers}", [], Adding(workers)
        run.mkdir()
        threads = []
        for rank in range(workers):
            saved.append([])
            session = one_of(workers, rank, run, partial(adding, rank), saved[rank])
            worker = Worker(Job(settings, corpus, run, None), session)
            threads.append(threading.Thread(target=worker.train))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [figures[-1] for figures in saved], adding.sums

    ((alone,), _), (both, sums) = validation(1), validation(2)
    assert 0.7 < alone["val/accuracy"] < 1
    (right,) = (each for each in sums if each.shape == DELETION.shape)
    assert right[:, 0].tolist() == pytest.approx([len(texts) * alone["val/accuracy"]] * 2)
    area = alone["val/normalized_area"]
    assert alone["val/score"] == pytest.approx(alone["val/accuracy"] - 0.5 * area)
    for figures in both:
        assert figures == pytest.approx(alone, abs=1e-9)


class Adding:
    """Sums tensors of several threads, in place, as all_reduce does in processes, and keeps the
    `sums`."""

    def __init__(self, workers: int) -> None:
        self.sums: list[Tensor] = []
        self.barrier, self.tensors = threading.Barrier(workers, timeout=60), [None] * workers

    def __call__(self, rank: int, tensor: Tensor) -> Tensor:
        self.tensors[rank] = tensor.clone()
        self.barrier.wait()
        tensor.copy_(torch.stack(self.tensors).sum(0))
        if rank == 0:
            self.sums.append(tensor.clone())
        self.barrier.wait()
        return tensor
