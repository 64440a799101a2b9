"""A run knows its data: what has changed since it began is refused, and named."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from afa_ray.config import Settings
from afa_ray.data.corpus import Corpus
from afa_ray.data.tokenizer import train_tokenizer
from afa_ray.dotted import override, to_yaml
from afa_ray.records.fingerprints import corpus_fingerprints
from afa_ray.records.manifest import latest_checkpoint, seal
from afa_ray.train import main
from afa_ray.training.learner import Learner

ROWS = [f"{'good' if i % 2 else 'bad'} thing number{i % 9},{i % 2}" for i in range(120)]


def write(path: Path, rows: list[str]) -> None:
    path.write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")


@pytest.fixture
def start(
    tmp_path: Path, tiny_settings: Callable[..., Settings], capsys: pytest.CaptureFixture
) -> Callable[..., tuple[int, str, str]]:
    """Runs the command on train.csv and test.csv; exit status, output and errors."""
    write(tmp_path / "train.csv", ROWS)
    write(tmp_path / "test.csv", ROWS[:30])

    def run(**values: Any) -> tuple[int, str, str]:
        own = {
            "data.name": "mine",
            "data.train_file": str(tmp_path / "train.csv"),
            "data.test_file": str(tmp_path / "test.csv"),
            "train.epochs": 2,
            "run.storage": str(tmp_path / "runs"),
            "run.name": "one",
        }
        given = {name.replace("__", "."): value for name, value in values.items()}
        settings = override(tiny_settings(), {**own, **given})
        (tmp_path / "settings.yaml").write_text(to_yaml(settings), encoding="utf-8")
        capsys.readouterr()
        status = main(["--config", str(tmp_path / "settings.yaml")])
        output = capsys.readouterr()
        return status, output.out, output.err

    return run


def interrupted(start: Callable, monkeypatch: pytest.MonkeyPatch, **values: Any) -> None:
    """Begin the run, and end it in its second epoch."""
    update = Learner.update

    def stop(self: Learner, batch: Any, step: int) -> None:
        if step == 8:
            raise KeyboardInterrupt
        update(self, batch, step)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "update", stop)
        assert start(**values)[0] == 130


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_written_beside_the_settings_and_into_checkpoints(
    start: Callable, tmp_path: Path
) -> None:
    assert start()[0] == 0
    run = tmp_path / "runs" / "one"
    prints = json.loads((run / "fingerprints.json").read_text())
    for what in ("train", "test"):
        raw = (tmp_path / f"{what}.csv").read_bytes()
        expected = {"sha256": hashlib.sha256(raw).hexdigest(), "count": len(raw)}
        assert prints["files"][f"data.{what}_file"] == expected
    counts = {what: one["count"] for what, one in prints["corpus"].items()}
    assert counts == {"train": 108, "validation": 12, "test": 30, "classes": 2, "vocabulary": 17}
    checkpoint = latest_checkpoint(run)
    assert checkpoint is not None
    assert json.loads((checkpoint / "progress.json").read_text())["fingerprints"] == prints
    again = ["--config", str(run / "config.yaml"), "--run.name", "again"]
    assert main(again) == 0
    assert json.loads((tmp_path / "runs/again/fingerprints.json").read_text()) == prints


CHANGES = {
    "rows appended": [*ROWS, "good thing number1,1"],
    "a label": [*ROWS[:-1], ROWS[-1][:-1] + "0"],
    "other words, the same number": [row.replace("number3", "number9") for row in ROWS],
    "order": [*ROWS[1:], ROWS[0]],
}


@pytest.mark.parametrize("complete", [False, True], ids=["interrupted", "complete"])
def test_a_file_that_has_changed(
    complete: bool, start: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file, run = tmp_path / "train.csv", tmp_path / "runs" / "one"
    if complete:
        assert start()[0] == 0
    else:
        interrupted(start, monkeypatch)
    before = content(run)
    old = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    for change in CHANGES.values():
        write(file, change)
        status, _, message = start()
        new = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
        assert status == 2
        assert f"data.train_file = {file}: not the file that run one was started with" in message
        assert old in message
        assert new in message
        assert "another run.name" in message
        assert content(run) == before
    write(file, ROWS)
    assert start()[0] == 0


def test_a_file_that_has_moved(
    start: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    interrupted(start, monkeypatch)
    moved = tmp_path / "elsewhere" / "texts.csv"
    moved.parent.mkdir()
    (tmp_path / "train.csv").rename(moved)
    assert start(data__train_file=str(moved))[0] == 0
    status, output, _ = start(data__train_file=str(moved))
    assert status == 0
    assert "complete: nothing to train" in output
    shutil.copy(moved, tmp_path / "texts.tsv")  # read in another way
    status, _, message = start(data__train_file=str(tmp_path / "texts.tsv"))
    assert status == 2
    assert "data.train_file = " in message


def test_other_settings_under_the_name_of_a_complete_run(start: Callable, tmp_path: Path) -> None:
    assert start()[0] == 0
    before = content(tmp_path / "runs")
    status, _, message = start(train__epochs=3, train__seed=5, data__test_file=None)
    assert status == 2
    assert "train.epochs = 3: run one was started with 2" in message
    assert "train.seed = 5: run one was started with 0" in message
    assert "data.test_file = None: run one was started with" in message
    assert content(tmp_path / "runs") == before
    status, output, _ = start(train__log_every=7, train__checkpoint_every=5)
    assert status == 0
    assert "complete: nothing to train" in output


def test_a_run_of_a_version_without_fingerprints(start: Callable, tmp_path: Path) -> None:
    assert start()[0] == 0
    run = tmp_path / "runs" / "one"
    (run / "fingerprints.json").unlink()
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("  register: null\n", "").replace(
        "  dry_run: false\n", "").replace("  whiten_advantage: false\n", ""))  # fmt: skip
    assert start()[0] == 0
    status, _, message = start(afa__whiten_advantage=True)
    assert status == 2
    assert "afa.whiten_advantage = True: run one was started with another version" in message


def test_texts_that_differ_though_no_file_does(
    start: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As where a set on the hub, or the program that reads it, has changed; or a checkpoint of
    other data lies in the folder."""
    interrupted(start, monkeypatch)
    run = tmp_path / "runs" / "one"
    kept = (run / "fingerprints.json").read_text()
    prints = json.loads(kept)
    prints["corpus"]["vocabulary"] |= {"sha256": "0" * 64}
    prints["corpus"]["train"] |= {"count": 90, "sha256": "1" * 64}
    (run / "fingerprints.json").write_text(json.dumps(prints))
    status, _, message = start()
    assert status == 2
    assert "the words of the vocabulary are not those that run one was started with" in message
    assert "17 (sha256 000000000000…) then, 17 (sha256 " in message
    assert "the training texts are not those" in message
    assert "90 (sha256 111111111111…) then, 108 (sha256 " in message

    (run / "fingerprints.json").write_text(kept)
    checkpoint = latest_checkpoint(run)
    assert checkpoint is not None
    progress = json.loads((checkpoint / "progress.json").read_text())
    progress["fingerprints"] = prints
    (checkpoint / "progress.json").write_text(json.dumps(progress))
    seal(checkpoint)
    status, _, message = start()
    assert status == 2
    assert "the training texts are not those" in message
    progress["fingerprints"] = json.loads(kept)
    (checkpoint / "progress.json").write_text(json.dumps(progress))
    seal(checkpoint)
    assert start()[0] == 0


def test_what_fingerprints_depend_on(small_corpus: Corpus) -> None:
    def changed(**parts: Any) -> set[str]:
        found = corpus_fingerprints(replace(small_corpus, **parts))
        return {what for what in found if found[what] != first[what]}

    first, test = corpus_fingerprints(small_corpus), small_corpus.test
    assert changed() == set()
    assert changed(name="other", notes=("a note",)) == set()
    assert changed(test=replace(test, labels=1 - test.labels)) == {"test"}
    assert changed(test=replace(test, tokens=test.tokens[::-1])) == {"test"}
    assert changed(test=replace(test, marks=None)) == {"test"}
    assert changed(label_names=["good", "bad"]) == {"classes"}
    words = train_tokenizer(["other words other words"], 100, 64)
    assert changed(tokenizer=words) == {"vocabulary"}


def test_a_local_public_set_that_has_changed(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    import pandas as pd

    folder = tmp_path / "data" / "imdb"
    folder.mkdir(parents=True)
    texts = [f"a {'good' if i % 2 else 'bad'} film {i % 5}" for i in range(60)]
    rows = pd.DataFrame({"text": texts, "label": [i % 2 for i in range(60)]})
    for part in ("train", "test"):
        rows.to_parquet(folder / f"{part}.parquet")
    command = ["--data.name", "imdb", "--data.dir", str(tmp_path / "data"), "--run.name", "a",
               "--run.storage", str(tmp_path / "runs"), "--train.num_workers", "0",
               "--target.hidden_size", "16", "--discriminator.hidden_size", "16",
               "--target.word2vec", "false", "--mlflow.uri", "none",
               "--train.epochs", "1"]  # fmt: skip
    assert main(command) == 0
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    command[3] = str(tmp_path / "copy")
    assert main(command) == 0
    assert "complete: nothing to train" in capsys.readouterr().out
    rows.iloc[:50].to_parquet(tmp_path / "copy" / "imdb" / "test.parquet")
    assert main(command) == 2
    message = capsys.readouterr().err
    assert f"imdb/test.parquet = {tmp_path}/copy/imdb/test.parquet: not the file" in message
