"""A run that was interrupted and resumed equals the uninterrupted one, bit for bit on the CPU."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from afa_ray import train as train_module
from afa_ray.config import Settings
from afa_ray.data.corpus import Corpus
from afa_ray.models import Target
from afa_ray.records.manifest import latest_checkpoint
from afa_ray.training.learner import Learner
from tests.conftest import with_values


@pytest.fixture
def run(on_small_corpus: None, tmp_path: Path) -> Callable:
    """Trains on the small corpus under a run name; returns the run's folder."""

    def start(settings: Settings, name: str, storage: Path = tmp_path) -> Path:
        named = {"run.storage": str(storage), "run.name": name}
        train_module.train(with_values(settings, **named))
        return storage / name

    return start


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of uninterrupted runs, each trained once for all that are compared with it."""
    return tmp_path_factory.mktemp("wholes")


def interrupt_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    update = Learner.update

    def interrupted(self: Learner, batch: Any, number: int) -> None:
        if number == step:
            raise KeyboardInterrupt
        update(self, batch, number)

    monkeypatch.setattr(Learner, "update", interrupted)


def records(run: Path) -> list[dict]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    parsed = [json.loads(line) for line in lines]
    return [{k: v for k, v in r.items() if k != "at" and k[:5] != "time/"} for r in parsed]


OWN_JUDGE = {"discriminator.pairing": "contrast", "discriminator.judge": "target", "target.hops": 2}
TWIN = OWN_JUDGE | {"discriminator.judge": "twin"}
AVERAGE = OWN_JUDGE | {"discriminator.judge": "average"}
SANA = {"afa.lambda_adv": 0.0, "supervision.method": "sana", "supervision.sana.seed": "attention"}
PLAYERS = {"own": ("target",), "sana": ("target", "sana")}
FEEDBACKS: dict[str, dict[str, Any]] = {
    "original": {},
    "contrast": {"discriminator.pairing": "contrast", "train.average": 7},
    "own": OWN_JUDGE,
    "sana": SANA,
    "twin": TWIN,
    "average": AVERAGE,
}
STOPS = (4, 13, 20, 28)  # within epochs 1, 2, 2 and 3 of 10 updates
CASES = [*product(("original", "contrast", "own", "sana"), STOPS), ("twin", 13), ("average", 13)]


@pytest.mark.parametrize(("name", "stop"), CASES)
def test_resumed_equals_uninterrupted(
    tiny_settings: Callable[..., Settings], run: Callable, wholes: Path, name: str, stop: int
) -> None:
    feedback = FEEDBACKS[name]
    settings = tiny_settings(
        {"train.epochs": 3, "train.checkpoint_every": 6, "target.dropout": 0.3, **feedback}
    )
    whole = wholes / name
    if not whole.exists():
        run(settings, name, wholes)
    with pytest.MonkeyPatch.context() as patch:
        interrupt_at(patch, stop)
        with pytest.raises(KeyboardInterrupt):
            run(settings, "parts")
    parts = run(settings, "parts")
    assert records(parts) == records(whole)
    if name == "twin":
        kept = AutoModelForSequenceClassification.from_pretrained(parts / "discriminator")
        assert isinstance(kept, Target)
    if name != "sana":  # which plays nothing
        assert (parts / "samples.jsonl").read_text() == (whole / "samples.jsonl").read_text()
    ends = [latest_checkpoint(folder) for folder in (whole, parts)]
    players = PLAYERS.get(name, ("target", "discriminator"))
    averaged = ("average",) * ("train.average" in feedback)
    for name in (*players, *averaged, "best", "optimizers"):
        first, second = (load_file(end / f"{name}.safetensors") for end in ends)
        assert first.keys() == second.keys()
        for key in first:
            assert torch.equal(first[key], second[key]), f"{name}: {key}"
    results = [json.loads((folder / "result.json").read_text()) for folder in (whole, parts)]
    for part in ("test", "deletion_curve", "agreement", "validation"):
        assert results[0][part] == results[1][part]


def test_the_same_seed_gives_the_same_run_and_another_seed_another(
    tiny_settings: Callable[..., Settings], run: Callable
) -> None:
    first = run(tiny_settings({"train.epochs": 1}), "first")
    second = run(tiny_settings({"train.epochs": 1}), "second")
    other = run(tiny_settings({"train.epochs": 1, "train.seed": 1}), "other")
    assert records(first) == records(second)
    assert records(first) != records(other)


def test_a_complete_run_says_so_and_changes_nothing(
    tiny_settings: Callable[..., Settings], run: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run(tiny_settings({"train.epochs": 1}), "once")
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    capsys.readouterr()
    run(tiny_settings({"train.epochs": 1}), "once")
    assert "is complete: nothing to train" in capsys.readouterr().out
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before


def test_a_run_resumes_with_its_own_settings_only(
    tiny_settings: Callable[..., Settings], run: Callable
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        interrupt_at(patch, 12)
        with pytest.raises(KeyboardInterrupt):
            run(tiny_settings({"train.epochs": 2}), "strict")
    with pytest.raises(ValueError, match=r"afa\.k = 5: run strict was started with 3"):
        run(tiny_settings({"train.epochs": 2, "afa.k": 5}), "strict")
    run(tiny_settings({"train.epochs": 2, "train.checkpoint_every": 3}), "strict")


def test_checkpoints_hold_no_pickles(tiny_settings: Callable[..., Settings], run: Callable) -> None:
    folder = run(tiny_settings({"train.epochs": 1}), "safe")
    suffixes = {p.suffix for p in folder.rglob("*") if p.is_file()}
    assert suffixes <= {".safetensors", ".json", ".jsonl", ".yaml", ".png", ".md", ".html"}
    checkpoint = latest_checkpoint(folder)
    assert checkpoint is not None
    content = json.loads((checkpoint / "progress.json").read_text())
    assert content["versions"]["torch"] == torch.__version__
    assert content["settings"]["afa.k"] == 3


@pytest.mark.parametrize("stop", [9, 21, 27])  # of 20 updates, and up to 20 on all texts
def test_training_once_more_on_all_texts_resumes(
    tiny_settings: Callable[..., Settings],
    small_corpus: Corpus,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    stop: int,
) -> None:
    tokens, labels = small_corpus.validation.tokens, small_corpus.validation.labels
    train = small_corpus.train
    both = replace(
        train,
        tokens=np.concatenate([train.tokens, tokens]),
        offsets=np.concatenate(
            [train.offsets, train.offsets[-1] + small_corpus.validation.offsets[1:]]
        ),
        labels=np.concatenate([train.labels, labels]),
        marks=None,
    )
    corpus = replace(small_corpus, whole=replace(small_corpus, train=both))
    monkeypatch.setattr(train_module, "prepare_corpus", lambda _: corpus)
    settings = tiny_settings({"train.epochs": 2, "train.checkpoint_every": 6, "train.average": 7})
    read: list[int] = []
    update = Learner.update

    def counting(self: Learner, batch: Any, number: int) -> None:
        if len(read) == stop:
            read.append(-1)
            raise KeyboardInterrupt
        read.append(int(batch.examples.max()))
        update(self, batch, number)

    def run(name: str) -> Path:
        named = {"run.storage": str(tmp_path), "run.name": name}
        train_module.train(with_values(settings, **named))
        return tmp_path / name

    whole = run("whole")
    monkeypatch.setattr(Learner, "update", counting)
    with pytest.raises(KeyboardInterrupt):
        run("parts")
    parts = run("parts")
    assert max(read) >= len(train)  # texts that had been held out
    assert records(parts) == records(whole)
    first, second = (load_file(f / "model" / "model.safetensors") for f in (whole, parts))
    assert all(torch.equal(first[name], second[name]) for name in first)
    results = [json.loads((folder / "result.json").read_text()) for folder in (whole, parts)]
    assert results[0]["test"] == results[1]["test"]
    assert results[0]["training"]["refit_steps"] in (10, 20)
    assert results[0]["training"]["steps"] == 20 + results[0]["training"]["refit_steps"]
