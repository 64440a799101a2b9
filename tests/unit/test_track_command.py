"""Mistakes end with status 2, a sentence for a person, no traceback, and nothing uploaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from afa_ray.config import Settings
from afa_ray.dotted import to_yaml
from afa_ray.track import main, parse

AWAY = "http://127.0.0.1:9"  # the discard port: nothing listens there


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(to_yaml(Settings()))
    return tmp_path


@pytest.fixture
def refuse(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Runs the command and demands a refusal; returns what it says."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    def run(*arguments: str) -> str:
        status = main(arguments)
        output = capsys.readouterr()
        assert status == 2
        assert output.out == ""
        heading, message = output.err.split("\n", 1)
        assert heading == "afa_ray.track: cannot run:"
        assert all(line.startswith("  ") for line in message.splitlines())
        return message

    return run


def test_folders_that_are_none(refuse, tmp_path: Path) -> None:
    assert "one folder must be given, not 0" in refuse()
    assert "one folder must be given, not 2" in refuse("a", "b")
    assert f"{tmp_path}/nowhere: there is no such folder" in refuse(f"{tmp_path}/nowhere")
    no_run = f"{tmp_path} holds no readable config.yaml: it is not the folder of a run"
    assert no_run in refuse(str(tmp_path))
    for content in ("[1, 2", "text", "", "afa: 3", "\x00"):
        (tmp_path / "config.yaml").write_text(content)
        assert no_run in refuse(str(tmp_path))
    assert "no such folder" in refuse(f"{tmp_path}/config.yaml")


def test_unknown_options(refuse, run_folder: Path) -> None:
    message = refuse(str(run_folder), "--mlflow.url", AWAY, "--experimnt=x", "--zebra", "-v")
    assert "--mlflow.url: there is no such option; did you mean --mlflow.uri?" in message
    assert "--experimnt: there is no such option; did you mean --mlflow.experiment?" in message
    assert "--zebra: there is no such option; see --help" in message
    assert "-v: there is no such option" in message
    assert "expected one argument" in refuse(str(run_folder), "--mlflow.uri")
    assert "mlflow.uri = none" in refuse(str(run_folder), "--mlflow.uri", "none")
    assert "no such option" in refuse(str(run_folder), "--mlflow.ur", AWAY)  # no abbreviations


def test_servers_that_are_none(refuse, run_folder: Path) -> None:
    assert f"could not be reached (no answer from {AWAY})" in refuse(
        str(run_folder), "--mlflow.uri", AWAY
    )
    assert "sqlite:////FOLDER" in refuse(str(run_folder), "--mlflow.uri", "ftp://127.0.0.1")
    (run_folder / "file").write_text("")
    refuse(str(run_folder), "--mlflow.uri", f"sqlite:///{run_folder}/file/mlflow.db")
    assert {file.name for file in run_folder.iterdir()} == {"config.yaml", "file"}


def test_a_result_that_is_none(refuse, run_folder: Path) -> None:
    (run_folder / "result.json").write_text("[]")
    database = f"sqlite:///{run_folder}/mlflow.db"
    message = refuse(str(run_folder), "--mlflow.uri", database, "--mlflow.experiment", "a")
    assert "result.json is not the result of a run" in message


def test_what_is_understood(tmp_path: Path) -> None:
    assert parse(["a"]) == (Path("a"), None, None)
    assert parse(["--mlflow.uri", "u", "a", "--mlflow.experiment=e f"]) == (Path("a"), "u", "e f")
    assert parse(["--", "-a"]) == (Path("-a"), None, None)


def test_help_as_a_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "afa_ray.track", "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0
    for word in ("RUN_DIR", "--mlflow.uri URI", "--mlflow.experiment NAME"):
        assert word in done.stdout
    assert done.stderr == ""
