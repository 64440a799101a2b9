"""A real `mlflow server`, what it holds, and folders of runs made by hand."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from afa_ray.config import Settings
from afa_ray.dotted import override, to_yaml
from tests.conftest import free_port


class Server:
    """A server with a store of its own, which can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.uri = f"http://127.0.0.1:{port}"
        self._command = [
            sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
            "--backend-store-uri", f"sqlite:///{folder}/server.db",
            "--artifacts-destination", str(folder / "artifacts"), "--workers", "1",
        ]  # fmt: skip
        self._process: subprocess.Popen | None = None

    def start(self, seconds: float = 300) -> None:
        """Start it, unless it runs, and wait until it answers."""
        if self._process is not None:
            return
        self._process = subprocess.Popen(
            self._command,
            env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + seconds
        while True:
            try:
                with urllib.request.urlopen(f"{self.uri}/health", timeout=2):
                    return
            except OSError:
                assert time.monotonic() < deadline, "the mlflow server did not start"
                time.sleep(0.3)

    def stop(self) -> None:
        """The server and the worker it started, which share its process group."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(20)
            self._process = None


def logged_runs(uri: str, experiment: str) -> list[Any]:
    """The runs of an experiment, by name."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    filed = client.get_experiment_by_name(experiment)
    return client.search_runs([filed.experiment_id], order_by=["attributes.run_name"])


def history(uri: str, run_id: str, name: str) -> list[tuple[int, float]]:
    """(step, value) of every point of a metric."""
    from mlflow import MlflowClient

    return [(m.step, m.value) for m in MlflowClient(uri).get_metric_history(run_id, name)]


def artifacts(uri: str, run_id: str, folder: str | None = None) -> set[str]:
    from mlflow import MlflowClient

    return {artifact.path for artifact in MlflowClient(uri).list_artifacts(run_id, folder)}


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


RESULT = {
    "test": {"accuracy": 0.75, "macro_f1": 0.5},
    "deletion_curve": {"area_by_attention": 0.5, "area_random": 0.6, "normalized_area": 0.8},
    "agreement": None,
    "validation": {"accuracy": 0.7, "epoch": 1},
    "training": {"epochs": 1, "steps": 600, "seconds": 3.0, "tokens_per_s": 1000.0},
}


def make_run(folder: Path, *, complete: bool = True, intervals: int = 3) -> Path:
    """A run's folder, made by hand: an interval is ten updates with four figures."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(to_yaml(override(Settings(), {"afa.k": 7})))
    lines = [
        {"kind": "train", "step": 10 * n, "epoch": 1, "at": 1e9 + n}
        | {f"train/{name}": 0.1 * n for name in ("loss", "loss_cls", "loss_d", "accuracy")}
        for n in range(1, intervals + 1)
    ]
    lines.append({"kind": "note", "step": 10, "epoch": 1, "text": "a note"})
    lines.append({"kind": "epoch", "step": 10 * intervals, "epoch": 1, "val/accuracy": 0.7})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if complete:
        (folder / "model").mkdir()
        (folder / "model" / "weights.txt").write_text("weights")
        (folder / "result.json").write_text(json.dumps(RESULT))
    return folder
