"""One MLflow run, spoken to through the client alone: no global state, safe in any process."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from afa_ray.config import Settings, flatten

RUN_FILE = "mlflow.json"
LONGEST_VALUE = 500  # characters of a parameter, MLflow's limit on older servers


class UnreachableError(Exception):
    """The tracking server cannot be used; the message is a sentence for the user."""


@dataclass(frozen=True)
class MlflowRun:
    """Where figures go. Plain strings, so that it travels to workers.

    Every method raises `UnreachableError` when the server does not do as asked.
    """

    uri: str
    experiment_id: str
    run_id: str

    def log_metrics(self, figures: dict[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, step) for name, value in figures.items()]
        with _speaking_to(self.uri) as client:
            client.log_batch(self.run_id, metrics=metrics)

    def last_step(self, name: str) -> int:
        """The last step at which a figure was logged, or -1."""
        with _speaking_to(self.uri) as client:
            history = client.get_metric_history(self.run_id, name)
        return max((metric.step for metric in history), default=-1)

    def set_status(self, status: str) -> None:
        """RUNNING, FINISHED or FAILED."""
        with _speaking_to(self.uri) as client:
            client.update_run(self.run_id, status=status)

    def finish(self, run: Path, figures: dict[str, float], step: int) -> None:
        """Log the final figures and the run's files, and close the run."""
        self.log_metrics(figures, step)
        with _speaking_to(self.uri) as client:
            client.log_artifacts(self.run_id, str(run / "model"), "model")
            for file in sorted(run.iterdir()):
                if file.suffix in (".json", ".jsonl", ".yaml", ".png"):
                    client.log_artifact(self.run_id, str(file))
            client.set_terminated(self.run_id)


def open_mlflow_run(settings: Settings, run: Path) -> MlflowRun | None:
    """The run's MLflow run, created or, when the run is resumed, continued.

    None where `mlflow.uri` is none, or where MLflow is not installed or cannot be reached, which is
    said: a run does not fail for want of tracking.
    """
    if settings.mlflow.uri == "none":
        return None
    try:
        import mlflow  # noqa: F401
    except ImportError:
        print("mlflow is not installed: figures go to metrics.jsonl only")
        return None
    uri = settings.mlflow.uri or f"sqlite:///{run.parent}/mlflow.db"
    try:
        return _continued(run, uri) or _created(settings, run, uri)
    except UnreachableError as problem:
        print(problem)
        return None


def _continued(run: Path, uri: str) -> MlflowRun | None:
    if not (run / RUN_FILE).exists():
        return None
    before = MlflowRun(**json.loads((run / RUN_FILE).read_text(encoding="utf-8")))
    if before.uri != uri:
        return None
    before.set_status("RUNNING")
    return before


def _created(settings: Settings, run: Path, uri: str) -> MlflowRun:
    from mlflow.entities import Param

    name = settings.mlflow.experiment
    with _speaking_to(uri) as client:
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


@contextmanager
def _speaking_to(uri: str) -> Iterator[Any]:
    """A client of the store, quiet about migrations and quick to give up.

    Raises:
        UnreachableError: instead of whatever went wrong within.
    """
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    try:
        yield _client(uri)
    except Exception as error:  # requests', sqlalchemy's and MLflow's own
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise UnreachableError(
            f"MLflow could not be reached ({reason}): figures go to metrics.jsonl only"
        ) from error


@cache
def _client(uri: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(uri)
