"""Tracking at a real `mlflow server` on loopback: there, gone half-way, and never there."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from afa_ray import train as train_module
from afa_ray.config import Settings
from afa_ray.data.corpus import Corpus
from afa_ray.training.learner import Learner
from tests.conftest import with_values

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen]]:
    """A server with a store of its own, and its process."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
         "--backend-store-uri", f"sqlite:///{tmp_path}/server.db",
         "--artifacts-destination", str(tmp_path / "artifacts"), "--workers", "1"],
        env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    uri = f"http://127.0.0.1:{port}"
    try:
        wait_for(uri)
        yield uri, process
    finally:
        stop(process)


def wait_for(uri: str, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(f"{uri}/health", timeout=2):
                return
        except OSError:
            assert time.monotonic() < deadline, "the mlflow server did not start"
            time.sleep(0.3)


def stop(process: subprocess.Popen) -> None:
    """The server and the worker it started, which share its process group."""
    if process.poll() is None:
        os.killpg(process.pid, 15)
        process.wait(20)


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch,
    small_corpus: Corpus,
    tmp_path: Path,
    tiny_settings: Callable[..., Settings],
) -> Callable[[str, str], Path]:
    """Trains two epochs, tracked at a URI; returns the run's folder."""
    monkeypatch.setattr(train_module, "prepare_corpus", lambda settings: small_corpus)

    def start(uri: str, name: str) -> Path:
        values = {"run.storage": str(tmp_path / "runs"), "run.name": name, "mlflow.uri": uri}
        settings = tiny_settings({"train.epochs": 2, "mlflow.experiment": "tests"})
        train_module.train(with_values(settings, **values))
        return tmp_path / "runs" / name

    return start


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_everything_arrives(server: tuple[str, subprocess.Popen], run: Callable) -> None:
    from mlflow import MlflowClient

    uri, _ = server
    folder = run(uri, "tracked")
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("tests")
    (logged,) = client.search_runs([experiment.experiment_id])
    assert (logged.info.run_name, logged.info.status) == ("tracked", "FINISHED")
    assert logged.data.params["train.epochs"] == "2"
    history = client.get_metric_history(logged.info.run_id, "train/loss_d")
    trained = [r for r in records(folder) if r["kind"] == "train"]
    assert [(m.step, m.value) for m in history] == [(r["step"], r["train/loss_d"]) for r in trained]
    result = json.loads((folder / "result.json").read_text())
    assert logged.data.metrics["test/macro_f1"] == result["test"]["macro_f1"]
    names = {artifact.path for artifact in client.list_artifacts(logged.info.run_id)}
    assert {"model", "deletion_curve.png", "result.json", "metrics.jsonl"} <= names
    model = {artifact.path for artifact in client.list_artifacts(logged.info.run_id, "model")}
    assert "model/model.safetensors" in model


def test_a_server_that_dies_half_way(
    server: tuple[str, subprocess.Popen],
    run: Callable,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    uri, process = server
    update = Learner.update

    def stop_the_server_at_step_nine(self: Learner, batch: Any, step: int) -> None:
        if step == 9:
            stop(process)
        update(self, batch, step)

    monkeypatch.setattr(Learner, "update", stop_the_server_at_step_nine)
    folder = run(uri, "orphaned")
    kinds = [r["kind"] for r in records(folder)]
    assert kinds.count("note") == 1
    assert kinds.count("epoch") == 2
    assert (folder / "result.json").exists()
    assert capsys.readouterr().out.count("MLflow could not be reached") == 1


def test_a_server_that_was_never_there(run: Callable, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run(f"http://127.0.0.1:{free_port()}", "alone")
    assert [r["kind"] for r in records(folder)].count("epoch") == 2
    assert capsys.readouterr().out.count("MLflow could not be reached") == 1
