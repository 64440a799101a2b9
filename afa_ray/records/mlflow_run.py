"""One MLflow run: what is logged in it."""

from __future__ import annotations

import math
import shlex
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from afa_ray.records.mlflow_about import files_to_keep
from afa_ray.records.mlflow_client import speaking_to
from afa_ray.records.run_folder import CONFIG, RESULT
from afa_ray.redaction import redacted

LONGEST_VALUE = 500  # characters of a parameter, MLflow's limit on older servers
MOST_METRICS, MOST_PARAMS = 1000, 100  # in one request, MLflow's limits
SETTINGS = (CONFIG, RESULT)  # files that hold those of the run
NO_FIGURES = {"kind", "step", "epoch", "at"}  # what else there is in a record

T = TypeVar("T")


@dataclass(frozen=True)
class MlflowRun:
    """Where figures go. Plain strings, so that it travels to workers.

    Every method but `page` raises `UnreachableError` when the server does not do as asked.
    """

    uri: str
    experiment_id: str
    run_id: str

    def log_metrics(self, figures: Mapping[str, float], step: int) -> None:
        metrics = _metrics({"step": step, **figures})
        with speaking_to(self.uri) as client:
            client.log_batch(self.run_id, metrics=metrics)

    def add_missing(self, records: Sequence[Mapping[str, Any]]) -> int:
        """Log those figures of `records` that the server has not got at their step yet.

        Args:
            records: those of `metrics.jsonl`. `at`, when their figures were found, in seconds
                since 1970, may be left out, which means now.

        Returns:
            How many were missing.
        """
        missing = {(m.key, m.step): m for record in records for m in _metrics(record)}
        if not missing:
            return 0
        with speaking_to(self.uri) as client:
            logged = client.get_run(self.run_id).data.metrics
            for name in logged.keys() & {name for name, _ in missing}:
                for metric in client.get_metric_history(self.run_id, name):
                    missing.pop((name, metric.step), None)
            for metrics in in_batches(list(missing.values()), MOST_METRICS):
                client.log_batch(self.run_id, metrics=metrics)
        return len(missing)

    def last_step(self, name: str) -> int:
        """The last step at which a figure was logged, or -1."""
        with speaking_to(self.uri) as client:
            history = client.get_metric_history(self.run_id, name)
        return max((metric.step for metric in history), default=-1)

    def status(self) -> str:
        """RUNNING, FINISHED or FAILED."""
        with speaking_to(self.uri) as client:
            return client.get_run(self.run_id).info.status

    def set_status(self, status: str) -> None:
        with speaking_to(self.uri) as client:
            client.update_run(self.run_id, status=status)

    def experiment(self) -> str:
        """The name of the experiment that the run is filed under."""
        with speaking_to(self.uri) as client:
            return client.get_experiment(self.experiment_id).name

    def has_files(self, folder: Path, files: Iterable[Path]) -> bool:
        """Whether files of a folder, and folders with such files, are among the artifacts."""
        with speaking_to(self.uri) as client:
            there = {artifact.path for artifact in client.list_artifacts(self.run_id)}
        return {file.relative_to(folder).parts[0] for file in files} <= there

    def log_files(self, folder: Path, files: Iterable[Path]) -> None:
        """Upload files of a folder as artifacts, each at the place that it has in the folder."""
        with speaking_to(self.uri) as client:
            for file in files:
                place = file.relative_to(folder).parent.as_posix()
                with _without_secrets(file) as shown:
                    client.log_artifact(self.run_id, str(shown), None if place == "." else place)

    def log_to(self, place: str, files: Iterable[Path]) -> None:
        """Upload files as artifacts, all at one place."""
        with speaking_to(self.uri) as client:
            for file in files:
                client.log_artifact(self.run_id, str(file), place)

    def finish(self, folder: Path, figures: Mapping[str, float], step: int) -> None:
        """Log the final figures and the files of a run's or a study's folder, and close the run.

        Figures that it has already, because it was finished before, are not logged again.
        """
        self.log_changed(figures, step)
        self.close(folder)

    def log_changed(self, figures: Mapping[str, float], step: int) -> None:
        """Log those figures whose last value at the server is another."""
        with speaking_to(self.uri) as client:
            logged = client.get_run(self.run_id).data.metrics
        self.log_metrics({n: v for n, v in figures.items() if logged.get(n) != v}, step)

    def close(self, folder: Path, status: str = "FINISHED", ended: float | None = None) -> None:
        """Upload the folder's files and say how the run ended, and when (seconds since 1970)."""
        self.log_files(folder, files_to_keep(folder))
        with speaking_to(self.uri) as client:
            client.set_terminated(self.run_id, status, milliseconds(ended or time.time()))

    def page(self) -> str:
        """What to open: the run's page, or the command that starts a server for it."""
        if self.uri.startswith(("http://", "https://")):
            return f"{redacted(self.uri)}/#/experiments/{self.experiment_id}/runs/{self.run_id}"
        return f"mlflow ui --backend-store-uri {shlex.quote(redacted(self.uri))}"


@contextmanager
def _without_secrets(file: Path) -> Iterator[Path]:
    """The file, or where it holds settings with a password, as earlier versions wrote them, a copy
    that hides it."""
    text = file.read_text("utf-8", errors="replace") if file.name in SETTINGS else ""
    if (shown := redacted(text)) == text:
        yield file
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / file.name
        copy.write_text(shown, encoding="utf-8")
        yield copy


def _metrics(record: Mapping[str, Any]) -> list[Any]:
    """The figures of a record as MLflow's metrics."""
    from mlflow.entities import Metric

    at, step = milliseconds(record.get("at", time.time())), record["step"]
    figures = {n: v for n, v in record.items() if n not in NO_FIGURES and type(v) in (int, float)}
    return [Metric(n, v, at, step) for n, v in figures.items() if math.isfinite(v)]


def milliseconds(seconds: float) -> int:
    return int(seconds * 1000)


def in_batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
