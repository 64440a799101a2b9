"""`python -m afa_ray.track`: runs that ended early, studies, uploads that go on or come again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from afa_ray.records import mlflow_opening
from afa_ray.records.mlflow_client import UnreachableError
from afa_ray.records.mlflow_run import MlflowRun
from afa_ray.track import main as track
from tests.tracking.helpers import Server, artifacts, history, logged_runs, make_run

pytestmark = pytest.mark.slow


def test_a_complete_run_twice_then_deleted(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_run(tmp_path / "complete", intervals=600)  # more than a request can hold
    command = [str(folder), "--mlflow.uri", database, "--mlflow.experiment", "twice"]
    assert track(command) == 0
    output = capsys.readouterr().out
    assert "complete: 2,407 figures, 4 files" in output
    assert f"1 run tracked: mlflow ui --backend-store-uri {database}" in output
    assert track(command) == 0
    assert "complete: was tracked completely" in capsys.readouterr().out
    (logged,) = logged_runs(database, "twice")
    run_id = logged.info.run_id
    assert logged.info.status == "FINISHED"
    assert logged.info.end_time == int((folder / "result.json").stat().st_mtime * 1000)
    assert logged.data.params["afa.k"] == "7"
    points = MlflowClient(database).get_metric_history(run_id, "train/loss_d")
    assert [(m.step, m.timestamp) for m in points] == [
        (10 * n, int((1e9 + n) * 1000)) for n in range(1, 601)
    ]
    assert history(database, run_id, "test/accuracy") == [(600, 0.75)]
    names = {"config.yaml", "metrics.jsonl", "model", "result.json"}
    assert artifacts(database, run_id) == names
    assert artifacts(database, run_id, "model") == {"model/weights.txt"}
    MlflowClient(database).delete_run(run_id)
    assert track(command) == 0
    assert logged_runs(database, "twice")[0].info.run_id != run_id


def test_an_incomplete_run_goes_on(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_run(tmp_path / "cut", complete=False)
    whole = (folder / "metrics.jsonl").read_text()
    (folder / "metrics.jsonl").write_text(whole[:-40])  # within the last line
    command = [str(folder), f"--mlflow.uri={database}", "--mlflow.experiment=cut"]
    assert track(command) == 0
    assert "of a run that is not complete" in capsys.readouterr().out
    (logged,) = logged_runs(database, "cut")
    assert logged.info.status == "FAILED"
    assert "val/accuracy" not in logged.data.metrics
    (folder / "metrics.jsonl").write_text(whole)
    shutil.copytree(make_run(tmp_path / "done") / "model", folder / "model")
    shutil.copy(tmp_path / "done" / "result.json", folder)
    assert track(command) == 0
    assert track(command) == 0
    (logged,) = logged_runs(database, "cut")
    assert logged.info.status == "FINISHED"
    assert history(database, logged.info.run_id, "val/accuracy") == [(30, 0.7)]
    assert len(history(database, logged.info.run_id, "train/loss")) == 3


def test_where_a_run_goes_by_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_run(tmp_path / "home")
    done = subprocess.run(
        [sys.executable, "-m", "afa_ray.track", str(folder)], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 2
    (logged,) = logged_runs(f"sqlite:///{tmp_path}/mlflow.db", "afa_ray")
    assert logged.info.artifact_uri.startswith((tmp_path / "mlartifacts").as_uri())
    assert track([str(folder), "--mlflow.experiment", "other"]) == 0
    assert "home is in the experiment afa_ray" in capsys.readouterr().out


def make_study(folder: Path) -> Path:
    make_run(folder / "runs" / "plain-0")
    make_run(folder / "runs" / "original-0")
    trial = make_run(folder / "trials" / "trial-0", complete=False)
    (trial / "trial.json").write_text("{}")
    for name in ("table.csv", "table.md", "results.json", "forest.png", "log.txt"):
        (folder / name).write_text("{}")
    shutil.copy(trial / "config.yaml", folder)
    return folder


def test_a_study_with_its_runs(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = make_study(tmp_path / "study")
    command = [str(study), f"--mlflow.uri={server.uri}", "--mlflow.experiment=studies"]
    alone = [str(study / "runs" / "plain-0"), *command[1:]]
    assert track(alone) == 0  # its own run becomes a child of the study's
    for _ in range(2):
        assert track(command) == 0
        original, plain, parent, trial = logged_runs(server.uri, "studies")
        for child in (original, plain, trial):
            assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
            assert len(history(server.uri, child.info.run_id, "train/loss")) == 3
        assert "mlflow.parentRunId" not in parent.data.tags
        assert {run.info.status for run in (original, plain, parent, trial)} == {"FINISHED"}
    assert artifacts(server.uri, parent.info.run_id) == {
        "config.yaml", "table.csv", "table.md", "results.json", "forest.png"
    }  # fmt: skip
    output = capsys.readouterr().out
    assert output.count("was tracked completely") == 4
    page = f"{server.uri}/#/experiments/{parent.info.experiment_id}/runs/{parent.info.run_id}"
    assert output.splitlines()[-1] == f"4 runs tracked: {page}"
    (study / "runs" / "plain-0" / "result.json").unlink()
    assert track(command) == 0
    statuses = [run.info.status for run in logged_runs(server.uri, "studies")]
    assert statuses == ["FINISHED", "FAILED", "FAILED", "FINISHED"]


@pytest.mark.parametrize("break_at", ["create_run", "log_batch", "log_artifact", "set_terminated"])
@pytest.mark.parametrize("time", [1, 3])
def test_an_upload_that_was_cut_short_goes_on(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, break_at: str, time: int
) -> None:
    """The server goes away at some request; the same command then makes everything whole."""
    name = f"{break_at}-{time}"
    study = make_study(tmp_path / name)
    command = [str(study), "--mlflow.uri", database, "--mlflow.experiment", name]
    calls = 0

    def fail(self: MlflowClient, *args: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        if calls == time:
            raise ConnectionError("gone")
        return real(self, *args, **options)

    real = getattr(MlflowClient, break_at)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, break_at, fail)
        assert track(command) == 2
    assert track(command) == 0
    logged = logged_runs(database, name)
    assert len(logged) == 4
    for run in logged:
        assert run.info.status == "FINISHED"
        assert run.data.params["afa.k"] == "7"
    for run in (run for run in logged if run.info.run_name in ("plain-0", "original-0")):
        assert len(history(database, run.info.run_id, "train/loss")) == 3
        assert artifacts(database, run.info.run_id, "model") == {"model/weights.txt"}


def test_a_child_that_died_before_it_wrote_its_number(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(tmp_path / "o'dd")
    (study / "runs" / "plain-0").rename(study / "runs" / "it's 0")
    command = [str(study), "--mlflow.uri", database, "--mlflow.experiment", "died"]

    def die(*_: object) -> None:
        raise UnreachableError("killed")

    assert track(command) == 0
    for memory in study.glob("*/*/mlflow.json"):
        memory.unlink()
    assert track(command) == 0
    assert len(logged_runs(database, "died")) == 4
    with monkeypatch.context() as patch:
        patch.setattr(mlflow_opening, "_remember", die)
        extra = make_run(study / "final" / "best-seed0")
        assert track(command) == 2
    assert not (extra / "mlflow.json").exists()
    assert track(command) == 0
    assert len(logged_runs(database, "died")) == 5
    assert len(json.loads((extra / "mlflow.json").read_text())) == 1


def test_the_page() -> None:
    run = MlflowRun("http://127.0.0.1:5000", "3", "abc")
    assert run.page() == "http://127.0.0.1:5000/#/experiments/3/runs/abc"
    assert MlflowRun("sqlite:////a b/m.db", "3", "abc").page() == (
        "mlflow ui --backend-store-uri 'sqlite:////a b/m.db'"
    )
