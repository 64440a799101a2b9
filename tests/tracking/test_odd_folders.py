"""Folders in which others wrote: uploaded as far as they are whole, or refused in a sentence."""

import json
from pathlib import Path

import pytest

from afa_ray.records.mlflow_run import MlflowRun
from afa_ray.track import main as track
from tests.tracking.helpers import RESULT, logged_runs, make_run
from tests.tracking.test_track import make_study

CONFIGS = [
    "1: 2", "null: 1", "{1: {2: 3}}", "mlflow: {uri: 3}", "mlflow: {experiment: [1]}",
    "a.b: &a [*a]", "afa: {k: !!int x}", "[" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("config", CONFIGS, ids=lambda text: text[:24])
def test_settings(config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_run(tmp_path / "run")
    (folder / "config.yaml").write_text(config)
    assert track([str(folder), "--mlflow.experiment", "odd"]) == 2
    assert "holds no readable config.yaml" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_odd_values_are_left_out(database: str, tmp_path: Path, capsys) -> None:
    folder = make_run(tmp_path / "values")
    (folder / "config.yaml").write_text("afa: {k: [1, 2], x: .nan}\ndata: {name: 7}\n")
    result = RESULT | {"test": {"accuracy": "high", "macro_f1": 0.5}, "robustness": [1]}
    (folder / "result.json").write_text(json.dumps(result | {"robustness": {"typos": None}}))
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('3\n{"kind": "train", "step": "x"}\n')
    (folder / "mlflow.json").write_text(json.dumps({database: "run_id"}))
    (folder / "fingerprints.json").write_text('{"corpus": {"train": 3}}')
    assert track([str(folder), "--mlflow.uri", database, "--mlflow.experiment", "values"]) == 0
    assert "; 2 damaged lines of metrics.jsonl left out" in capsys.readouterr().out
    (logged,) = logged_runs(database, "values")
    assert "test/accuracy" not in logged.data.metrics
    assert logged.data.metrics["test/macro_f1"] == 0.5
    assert logged.data.metrics["train/loss"] == pytest.approx(0.3)
    assert logged.data.params["afa.k"] == "[1, 2]"


@pytest.mark.parametrize(
    "content", ["[1]", "{", "3", '{"test": 1}', json.dumps(RESULT | {"test": 3})]
)
def test_a_result_that_is_none(content: str, database: str, tmp_path: Path, capsys) -> None:
    folder = make_run(tmp_path / "result")
    (folder / "result.json").write_text(content)
    assert track([str(folder), "--mlflow.uri", database]) == 2
    assert "result.json is not the result of a run" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["[1]", "{", "\x00"])
def test_figures_of_a_study_that_are_none(
    content: str, database: str, tmp_path: Path, capsys
) -> None:
    study = make_study(tmp_path / "study")
    (study / "figures.json").write_text(content)
    assert track([str(study), "--mlflow.uri", database, "--mlflow.experiment", "study"]) == 2
    assert "figures.json holds no whole JSON object" in capsys.readouterr().err
    (study / "figures.json").write_text('{"plain/test/accuracy": 0.5, "odd": [1]}')
    assert track([str(study), "--mlflow.uri", database, "--mlflow.experiment", "study"]) == 0


def test_a_run_that_was_killed_while_it_finished(
    run, database: str, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(MlflowRun, "finish", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(database, "killed")
    (logged,) = logged_runs(database, "killed")
    assert logged.info.status == "FAILED"
    folder = run(database, "killed")
    (logged,) = logged_runs(database, "killed")
    assert logged.info.status == "FINISHED"
    assert "test/accuracy" in logged.data.metrics
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]
    capsys.readouterr()
    run(database, "killed")
    assert "tracked" not in capsys.readouterr().out


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt
