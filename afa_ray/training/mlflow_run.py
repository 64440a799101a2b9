"""One MLflow run, spoken to through the client alone: no global state, safe in any process."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from afa_ray.config import Settings, flatten

T = TypeVar("T")
RUN_FILE = "mlflow.json"
LONGEST_VALUE = 500  # characters of a parameter, MLflow's limit on older servers


@dataclass(frozen=True)
class MlflowRun:
    """Where figures go. Plain strings, so that it travels to workers."""

    uri: str
    experiment_id: str
    run_id: str

    def log_metrics(self, figures: dict[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, step) for name, value in figures.items()]
        _attempt(lambda: _client(self.uri).log_batch(self.run_id, metrics=metrics))

    def last_step(self, name: str) -> int:
        """The last step at which a figure was logged, or -1."""
        history = _attempt(lambda: _client(self.uri).get_metric_history(self.run_id, name))
        return max((metric.step for metric in history or ()), default=-1)

    def finish(self, run: Path, figures: dict[str, float], step: int) -> None:
        """Log the final figures and the run's files, and close the run."""
        self.log_metrics(figures, step)

        def upload() -> None:
            client = _client(self.uri)
            client.log_artifacts(self.run_id, str(run / "model"), "model")
            for file in sorted(run.iterdir()):
                if file.suffix in (".json", ".jsonl", ".yaml", ".png"):
                    client.log_artifact(self.run_id, str(file))
            client.set_terminated(self.run_id)

        _attempt(upload)

    def fail(self) -> None:
        _attempt(lambda: _client(self.uri).set_terminated(self.run_id, "FAILED"))


def open_mlflow_run(settings: Settings, run: Path) -> MlflowRun | None:
    """The run's MLflow run, created or, when the run is resumed, continued.

    None where `mlflow.uri` is none, MLflow is not installed, or the server does not answer; the
    last two are said.
    """
    if settings.mlflow.uri == "none":
        return None
    try:
        import mlflow  # noqa: F401
    except ImportError:
        print("mlflow is not installed: figures go to metrics.jsonl only")
        return None
    file = run / RUN_FILE
    uri = settings.mlflow.uri or f"sqlite:///{run.parent}/mlflow.db"
    if file.exists():
        continued = MlflowRun(**json.loads(file.read_text(encoding="utf-8")))
        _attempt(lambda: _client(continued.uri).update_run(continued.run_id, status="RUNNING"))
        return continued
    return _attempt(lambda: _create(settings, run, uri))


def _create(settings: Settings, run: Path, uri: str) -> MlflowRun:
    from mlflow.entities import Param

    client = _client(uri)
    name = settings.mlflow.experiment
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        own_store = settings.mlflow.uri is None
        artifacts = (run.parent / "mlartifacts").as_uri() if own_store else None
        experiment_id = client.create_experiment(name, artifact_location=artifacts)
    else:
        experiment_id = experiment.experiment_id
    run_id = client.create_run(experiment_id, run_name=run.name).info.run_id
    params = [Param(n, str(v)[:LONGEST_VALUE]) for n, v in flatten(settings).items()]
    client.log_batch(run_id, params=params)
    created = MlflowRun(uri, experiment_id, run_id)
    (run / RUN_FILE).write_text(json.dumps(asdict(created)), encoding="utf-8")
    return created


_clients: dict[str, Any] = {}
_told: set[str] = set()


def _client(uri: str) -> Any:
    """One client a process and store; quiet about its database migrations."""
    if uri not in _clients:
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        from mlflow import MlflowClient

        _clients[uri] = MlflowClient(uri)
    return _clients[uri]


def _attempt(call: Callable[[], T]) -> T | None:
    """Tracking must not stop training: a failure is said once a process, and the run goes on."""
    try:
        return call()
    except Exception as error:  # MLflow raises requests', sqlalchemy's and its own
        if "mlflow" not in _told:
            _told.add("mlflow")
            reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            print(f"MLflow could not be reached ({reason}): figures go to metrics.jsonl only")
        return None
