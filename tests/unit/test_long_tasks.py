"""What takes long says how it goes, and what is quick says nothing."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from afa_ray import progress as progress_module
from afa_ray import train as train_module
from afa_ray.config import Settings
from afa_ray.console import POLL_S, Follower
from afa_ray.data.packed import pack
from afa_ray.data.texts import Texts
from afa_ray.data.tokenizer import train_tokenizer
from afa_ray.data.word2vec import EPOCHS, Sentences, word_vectors
from afa_ray.evaluation.erasure import ERASURE
from afa_ray.evaluation.one_pass import figure, figures
from afa_ray.progress import Task
from afa_ray.records.tracking import Tracker
from afa_ray.training import finish as finish_module
from tests.unit.test_evaluation import SPECIAL, KeyTarget, texts


def wait_for(lines: list[str], count: int) -> None:
    deadline = time.monotonic() + 30
    while len(lines) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_quick_task_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    with Task("tokenising", 10) as task:
        task.advance(10)
    assert time.monotonic() - began < 1  # and is not waited for
    assert capsys.readouterr().out == ""


def test_what_is_said() -> None:
    task = Task("tokenising", 12_000)
    assert task.line(6) == "tokenising: 0 of 12,000 texts"
    task.advance(1_000)
    task.advance(2_000)
    assert task.line(10) == "tokenising: 3,000 of 12,000 texts, about 30 s left"
    assert task.line(600) == "tokenising: 3,000 of 12,000 texts, about 30 min left"
    assert Task("reading imdb").line(7.4) == "reading imdb: 7 s so far"


def test_a_long_task_is_heard_of_while_one_call_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "QUIET_S", 0.02)
    said: list[str] = []
    with Task("fitting", say=said.append):
        wait_for(said, 2)
    assert said[0] == "fitting: 0 s so far"
    ended = len(said)
    time.sleep(0.1)
    assert len(said) == ended


def test_nothing_is_added_while_others_speak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "QUIET_S", 0.5)
    said: list[str] = []
    with Task("training", 10, "updates", said.append) as task:
        for _ in range(15):
            task.heard()
            time.sleep(0.05)
        assert said == []
        wait_for(said, 1)


def test_the_lines_of_an_hour_are_few() -> None:
    """They come after 5, 10, 15, 20, 25 s, and then after a quarter of the time so far."""
    at, lines = 0.0, 0
    while at < 3600:
        at += max(progress_module.QUIET_S, progress_module.GROWTH * at)
        lines += 1
    assert lines < 35


def test_lines_of_a_worker_reach_the_user(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Through the run's folder, as everything else; they do not stay there."""
    tracker = Tracker(tmp_path, 0, None)
    with Follower(tmp_path, 40):
        tracker.progress("evaluating: deletion curve: 5 of 9 texts, about 4 s left")
        time.sleep(2 * POLL_S)
    assert capsys.readouterr().out == (
        "  evaluating: deletion curve: 5 of 9 texts, about 4 s left\n"
    )
    with Follower(tmp_path, 40):  # another part of the run: that is said no more
        time.sleep(2 * POLL_S)
    assert capsys.readouterr().out == ""
    tracker.finish(40, 2, {})
    assert not list(tmp_path.glob(".*"))
    assert not (tmp_path / "metrics.jsonl").exists()


def test_evaluation_counts_every_text() -> None:
    counted: list[int] = []
    figure(KeyTarget(1.0), texts(700), SPECIAL, 0, ERASURE, advance=counted.append)
    assert counted == [256, 256, 188]


def test_tokenising_and_word_vectors_count_every_text(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    counts: dict[str, int] = {}

    def advance(task: Task, count: int) -> None:
        counts[task._doing] = counts.get(task._doing, 0) + count

    monkeypatch.setattr(Task, "advance", advance)
    monkeypatch.setenv("AFA_CACHE_DIR", str(tmp_path))
    rows = ["one two three"] * 30
    tokenizer = train_tokenizer(rows, 100, 16)
    packed = pack(Texts(rows, np.zeros(30, int)), tokenizer, 16)
    word_vectors(Sentences(packed.tokens, packed.offsets), len(tokenizer), 8, 0)
    assert counts == {"tokenising": 30, "training word vectors": 30 * EPOCHS}


def test_evaluation_after_training_is_heard_of(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    on_small_corpus: None,
    tiny_settings: Callable[..., Settings],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each stage says what it is; one that is quick is not heard of."""

    def slow(*given: Any, **options: Any) -> dict[str, Any]:
        time.sleep(1)
        return figures(*given, **options)

    monkeypatch.setattr(finish_module, "figures_of", slow)
    monkeypatch.setattr(progress_module, "QUIET_S", 0.3)
    run = {"train.epochs": 1, "run.storage": str(tmp_path), "run.name": "slow"}
    train_module.train(tiny_settings(run))
    output = capsys.readouterr().out
    assert "  evaluating: attention: 0 of 60 texts\n" in output
    assert output.index("epoch 1") < output.index("evaluating") < output.index("test (epoch")
    assert not list((tmp_path / "slow").glob(".*"))
