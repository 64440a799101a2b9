"""Mistakes end with status 2, a sentence for a person, no traceback, and nothing written."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from afa_ray.config import Settings
from afa_ray.dotted import override
from afa_ray.errors import UserError
from afa_ray.train import main, train
from tests.families import save_tiny
from tests.tokenizers import word_pieces

ROWS = "".join(f"{'good' if i % 2 else 'bad'} text number {i},{i % 2}\n" for i in range(40))


@pytest.fixture
def refuse(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Runs the command, demands a refusal that wrote nothing; returns the message."""
    storage = tmp_path / "runs"

    def run(*arguments: str) -> str:
        status = main(["--run.storage", str(storage), "--train.num_workers", "0", *arguments])
        output = capsys.readouterr()
        assert status == 2
        assert "Traceback" not in output.err
        assert not storage.exists()
        assert len(output.out.splitlines()) <= 1  # "preparing …" at most
        return output.err

    return run


@pytest.fixture
def refuse_late(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """As `refuse`, of what is found when a run has been begun."""
    storage = tmp_path / "new" / "runs"

    def run(*arguments: str) -> str:
        own = ["--run.storage", str(storage), "--train.num_workers", "0", "--mlflow.uri", "none"]
        assert main([*own, *arguments]) == 2
        output = capsys.readouterr()
        assert "Traceback" not in output.err
        assert not (tmp_path / "new").exists()
        return output.err

    return run


def csv(folder: Path, content: str | bytes, name: str = "train.csv") -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def test_settings(refuse) -> None:
    message = refuse("--afa.k", "0", "--train.epoch", "3")
    assert "afa.k = 0: must be at least 1" in message
    assert "did you mean train.epochs" in message


def test_unknown_data_set(refuse) -> None:
    assert "reviews" in refuse("--data.name", "review")


def test_missing_file_and_column(refuse, tmp_path: Path) -> None:
    assert "nowhere.csv" in refuse("--data.train_file", str(tmp_path / "nowhere.csv"))
    file = csv(tmp_path, "text,label\n" + ROWS)
    message = refuse("--data.train_file", file, "--data.text_column", "texts")
    assert "'texts'" in message
    assert "Did you mean 'text'?" in message


def test_unknown_label_in_test(refuse, tmp_path: Path) -> None:
    train = csv(tmp_path, "text,label\n" + ROWS)
    test = csv(tmp_path, "text,label\nfine,7\n", "test.csv")
    assert "'7'" in refuse("--data.train_file", train, "--data.test_file", test)


def test_one_class_only(refuse, tmp_path: Path) -> None:
    file = csv(tmp_path, "text,label\n" + "same,1\n" * 20)
    assert "at least two labels" in refuse("--data.train_file", file)


def test_not_utf8(refuse, tmp_path: Path) -> None:
    file = csv(tmp_path, b"text,label\n" + b"caf\xe9,1\n" * 5)
    assert "UTF-8" in refuse("--data.train_file", file)


def test_all_texts_empty(refuse, tmp_path: Path) -> None:
    message = refuse("--data.train_file", csv(tmp_path, "text,label\n,1\n,0\n"))
    assert "no row holds a text in column 'text'" in message


def test_storage_that_cannot_be_written(tmp_path: Path, capsys) -> None:
    (tmp_path / "file").write_text("not a folder")
    status = main(["--run.storage", str(tmp_path / "file" / "runs"), "--train.num_workers", "0"])
    assert status == 2
    assert "cannot write there" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_users_own_file_with_string_labels_trains(tmp_path: Path, capsys) -> None:
    rows = "".join(f"{'good' if i % 2 else 'bad'} thing {i % 7},{'yes' if i % 2 else 'no'}\n" for i in range(80))  # fmt: skip  # noqa: E501
    long = "good " * 40 + ",yes\n"
    file = csv(tmp_path, "review,verdict\n" + rows + long * 3 + ",yes\n")
    status = main(
        ["--data.name", "mine", "--data.train_file", file, "--data.text_column", "review",
         "--data.label_column", "verdict", "--data.max_length", "16", "--target.hidden_size", "32",
         "--discriminator.hidden_size", "32", "--train.target_lr", "0.01", "--train.epochs", "3",
         "--train.batch_size", "8", "--train.num_workers", "0", "--mlflow.uri", "none",
         "--run.storage", str(tmp_path / "runs"), "--run.name", "own"]
    )  # fmt: skip
    output = capsys.readouterr().out
    assert status == 0
    assert "texts cut to data.max_length = 16 tokens" in output
    result = json.loads((tmp_path / "runs" / "own" / "result.json").read_text())
    assert result["data"]["labels"] == ["no", "yes"]
    assert result["test"]["accuracy"] == 1
    assert any("no text" in note for note in result["data"]["notes"])
    card = (tmp_path / "runs" / "own" / "model" / "README.md").read_text()
    assert "| accuracy | 1.0000 |" in card


def test_the_module_exits_with_status_two() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "afa_ray.train", "--afa.k", "none"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr == "afa_ray.train: cannot run:\n  afa.k = none: must be a whole number\n"


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, capsys) -> None:
    run = tmp_path / "runs" / "mine"
    run.mkdir(parents=True)
    arguments = ["--run.storage", str(tmp_path / "runs"), "--run.name", "mine",
                 "--train.num_workers", "0"]  # fmt: skip
    for name, content in (
        ("thesis.txt", "precious"),
        ("config.yaml", "afa: [broken"),
        ("config.yaml", "server: {port: 80}"),
        ("config.yaml", "- 1"),
        ("result.json", "{}"),
        ("result.json", "not json"),
    ):
        (run / name).write_text(content)
        before = {p: p.read_text() for p in run.iterdir()}
        assert main(arguments) == 2
        assert "another run.name" in capsys.readouterr().err
        assert {p: p.read_text() for p in run.iterdir()} == before
        (run / name).unlink()


def test_names_stay_in_the_storage_folder(refuse, tmp_path: Path) -> None:
    file = csv(tmp_path, "text,label\n" + ROWS)
    for name in ("../../escaped", ".hidden", "a/b", "x" * 101, "a\nb"):
        for setting in ("data.name", "run.name"):
            message = refuse("--data.train_file", file, f"--{setting}={name}")
            assert "must be a folder name" in message


def test_a_gpu_that_is_not_there(refuse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "PyTorch sees no GPU" in refuse("--train.use_gpu", "true")


def test_no_word_twice(tmp_path: Path) -> None:
    """All words are unknown words: there is nothing to learn, and nothing breaks."""
    words = [chr(97 + i % 26) * (2 + i // 26) for i in range(60)]
    rows = "".join(f"{word},{i % 2}\n" for i, word in enumerate(words))
    file = csv(tmp_path, "text,label\n" + rows)
    arguments = ["--data.train_file", file, "--target.hidden_size", "32",
                 "--discriminator.hidden_size", "32", "--train.epochs", "1",
                 "--train.num_workers", "0", "--mlflow.uri", "none",
                 "--run.storage", str(tmp_path / "runs"), "--run.name", "unknown"]  # fmt: skip
    assert main(["--data.name", "$\\x$", *arguments]) == 2  # a backslash in the name
    assert main(["--data.name", "$x^$", *arguments]) == 0  # no formula for the plot's title
    lines = (tmp_path / "runs" / "unknown" / "metrics.jsonl").read_text()
    assert "NaN" not in lines


@pytest.mark.parametrize("damage", ["cut", "other", "empty"])
def test_refused_weights_leave_nothing(refuse_late, tmp_path: Path, damage: str) -> None:
    texts = [row.split(",")[0] for row in ROWS.splitlines()]
    model = save_tiny("bert", tmp_path / "model", word_pieces(texts))
    weights = tmp_path / "model" / "model.safetensors"
    content = weights.read_bytes()
    cut = {"cut": content[:-100], "other": b"no weights" * 50, "empty": b""}
    weights.write_bytes(cut[damage])
    file = csv(tmp_path, "text,label\n" + ROWS)
    assert "target.name" in refuse_late("--data.train_file", file, "--target.name", model)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"train.epochs": -3}, "train.epochs = -3: must be at least 1"),
        ({"train.epochs": 2.5}, "train.epochs = 2.5: must be a whole number"),
        ({"train.epochs": True}, "train.epochs = True: must be a whole number"),
        ({"afa.k": "3"}, "afa.k = '3': must be a whole number"),
        ({"target.name": None}, "target.name = None: must be a text"),
        ({"train.num_worker": 3}, "there is no such setting; did you mean train.num_workers"),
        ({"data": "x"}, "data = x: is a group of settings; give one of them as data.NAME"),
    ],
)
def test_settings_made_in_python_are_checked_before_anything_is_written(
    values: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=re.escape(complaint)):
        train(override(Settings(), {"run.storage": tmp_path, **values}))
    assert not list(tmp_path.iterdir())
