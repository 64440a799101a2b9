"""Tracking at a real `mlflow server` on loopback: there, gone half-way, and never there."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from afa_ray.records.mlflow_registry import register_model
from afa_ray.records.mlflow_run import MlflowRun
from afa_ray.track import main as track
from afa_ray.training.learner import Learner
from tests.conftest import free_port
from tests.tracking.helpers import Server, artifacts, history, logged_runs, records

pytestmark = pytest.mark.slow


def require_everything(uri: str, folder: Path) -> None:
    """The run is at the server once, each figure once, and its files are there."""
    (logged,) = logged_runs(uri, folder.name)
    assert (logged.info.run_name, logged.info.status) == (folder.name, "FINISHED")
    assert logged.data.params["train.epochs"] == "2"
    for kind, name in (("train", "train/loss_d"), ("epoch", "val/accuracy")):
        expected = [(r["step"], r[name]) for r in records(folder) if r["kind"] == kind]
        assert history(uri, logged.info.run_id, name) == expected
    result = json.loads((folder / "result.json").read_text())
    last = (result["training"]["steps"], result["test"]["macro_f1"])
    assert history(uri, logged.info.run_id, "test/macro_f1") == [last]
    names = artifacts(uri, logged.info.run_id)
    assert {"model", "report.html", "result.json", "metrics.jsonl"} <= names
    assert "model/model.safetensors" in artifacts(uri, logged.info.run_id, "model")


def test_everything_arrives(
    server: Server, run: Callable, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = run(server.uri, "tracked")
    require_everything(server.uri, folder)
    assert "http" not in capfd.readouterr().out  # MLflow itself would print addresses
    assert track([str(folder)]) == 0
    assert "tracked: was tracked completely" in capfd.readouterr().out
    require_everything(server.uri, folder)


def test_a_model_is_registered_at_a_server(
    server: Server, run: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient
    from mlflow.artifacts import download_artifacts

    folder = run(server.uri, "registered")
    (logged,) = logged_runs(server.uri, "registered")
    tracked = MlflowRun(server.uri, logged.info.experiment_id, logged.info.run_id)
    assert [register_model(tracked, "my texts") for _ in range(2)] == ["1", "1"]
    (version,) = MlflowClient(server.uri).search_model_versions("name = 'my texts'")
    assert (version.run_id, version.status) == (logged.info.run_id, "READY")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    got = download_artifacts("models:/my texts/1")
    weights = (folder / "model" / "model.safetensors").read_bytes()
    assert (Path(got) / "model.safetensors").read_bytes() == weights
    assert logged.data.tags["method"] == "original"
    assert {i.dataset.name for i in logged.inputs.dataset_inputs} == {"reviews"}


def test_a_server_that_dies_half_way_gets_the_rest_later(
    server: Server,
    other_server: Server,
    run: Callable,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    update = Learner.update

    def stop_the_server_at_step_nine(self: Learner, batch: Any, step: int) -> None:
        if step == 9:
            server.stop()
        update(self, batch, step)

    monkeypatch.setattr(Learner, "update", stop_the_server_at_step_nine)
    folder = run(server.uri, "orphaned")
    kinds = [r["kind"] for r in records(folder)]
    assert (kinds.count("note"), kinds.count("epoch")) == (1, 2)
    assert (folder / "result.json").exists()
    output = capsys.readouterr().out
    assert output.count("MLflow could not be reached") == 1
    hint = f"python -m afa_ray.track {folder} --mlflow.uri {server.uri}"
    assert hint in output

    command = shlex.split(hint)[3:]
    assert track(command) == 2  # it is still away
    message = capsys.readouterr().err
    assert message.startswith("afa_ray.track: cannot run:\n  MLflow could not be reached")
    server.start()
    for expected in ("files", "was tracked completely"):
        assert track(command) == 0
        assert expected in capsys.readouterr().out
        require_everything(server.uri, folder)
    for uri in (other_server.uri, server.uri, other_server.uri):
        assert track([str(folder), f"--mlflow.uri={uri}/"]) == 0
        require_everything(uri, folder)
    assert set(json.loads((folder / "mlflow.json").read_text())) == {server.uri, other_server.uri}


def test_a_server_that_was_never_there(
    run: Callable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    uri = f"http://127.0.0.1:{free_port()}"
    folder = run(uri, "alone")
    assert [r["kind"] for r in records(folder)].count("epoch") == 2
    output = capsys.readouterr().out
    assert output.count("MLflow could not be reached") == 1
    assert f"(no answer from {uri})" in output
    assert f"python -m afa_ray.track {folder} --mlflow.uri {uri}" in output
