"""One MLflow run: what is logged in it, and which one it is that belongs to a folder."""

from __future__ import annotations

import json
import math
import shlex
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from afa_ray.config import Settings, flatten
from afa_ray.records.mlflow_about import RUN_FILE, datasets_of, files_to_keep, tags_of
from afa_ray.records.mlflow_client import UnreachableError, speaking_to
from afa_ray.records.mlflow_place import (
    experiment_id,
    experiment_name,
    from_environment,
    place_of_tracking,
    sqlite_database,
)
from afa_ray.records.run_folder import CONFIG, write_whole

LONGEST_VALUE = 500  # characters of a parameter, MLflow's limit on older servers
MOST_METRICS, MOST_PARAMS = 1000, 100  # in one request, MLflow's limits
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
            for metrics in _batches(list(missing.values()), MOST_METRICS):
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
                client.log_artifact(self.run_id, str(file), None if place == "." else place)

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
            client.set_terminated(self.run_id, status, _milliseconds(ended or time.time()))

    def page(self) -> str:
        """What to open: the run's page, or the command that starts a server for it."""
        if self.uri.startswith(("http://", "https://")):
            return f"{self.uri}/#/experiments/{self.experiment_id}/runs/{self.run_id}"
        return f"mlflow ui --backend-store-uri {shlex.quote(self.uri)}"


def open_mlflow_run(
    settings: Settings, run: Path, parent: MlflowRun | None = None
) -> MlflowRun | None:
    """The MLflow run of a folder, created or, when the folder is gone on with, continued.

    A run with a parent, which is that of its study, is filed under it, and many processes may open
    theirs at once: database and experiment are the parent's.

    None where `mlflow.uri` is none, or where MLflow is not installed or cannot be reached: a run
    does not fail for want of tracking. That is said, unless there is a parent.
    """
    if parent is None and settings.mlflow.uri == "none":
        return None
    say = print if parent is None else _be_silent
    try:
        import mlflow  # noqa: F401
    except ImportError:
        say("mlflow is not installed: figures go to metrics.jsonl only")
        return None
    given, name = settings.mlflow.uri, settings.mlflow.experiment
    uri = parent.uri if parent else place_of_tracking(given, run)
    if decided := from_environment(given, name):
        say(f"  mlflow  {decided}")
    try:
        opened = find_or_create(run, uri, name, flatten(settings), parent)
        opened.set_status("RUNNING")
        return opened
    except UnreachableError as problem:
        say(f"{problem}{upload_hint(run, uri)}")
        return None


def upload_hint(run: Path, uri: str) -> str:
    """The end of a sentence about a server that is away: how to upload the folder afterwards."""
    command = f"python -m afa_ray.track {shlex.quote(str(run))} --mlflow.uri {shlex.quote(uri)}"
    return f": figures stay in the run's folder; upload them later with\n          {command}"


def find_or_create(
    run: Path,
    uri: str,
    experiment: str | None,
    params: Mapping[str, Any],
    parent: MlflowRun | None = None,
) -> MlflowRun:
    """The one run of a folder at a server, with parameters, tags and data, filed under its parent.

    `mlflow.json` in the folder remembers the run of every server. A child is also found by its name
    under its parent, should its process have been killed before it could write that down.

    Raises:
        UnreachableError: no run could be found or made.
    """
    with speaking_to(uri) as client:
        known = _remembered_run(client, run, uri) or _child_run(client, parent, run.name)
        info = known or _create(client, run, uri, experiment, parent)
        found = MlflowRun(uri, info.experiment_id, info.run_id)
        _remember(run, found)
        _describe(client, found, run, params, parent)
    return found


def _remembered_run(client: Any, run: Path, uri: str) -> Any:
    """The run that the folder remembers, or None; None also if somebody has deleted it."""
    from mlflow.exceptions import MlflowException

    if uri not in (memory := _memory(run)):
        return None
    try:
        info = client.get_run(memory[uri]["run_id"]).info
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    return info if info.lifecycle_stage == "active" else None


def _child_run(client: Any, parent: MlflowRun | None, name: str) -> Any:
    """The run of that name under the parent, or None."""
    if parent is None:
        return None
    of_parent = f"tags.mlflow.parentRunId = '{parent.run_id}'"
    named = "" if {"'", '"'} & set(name) else f" and attributes.run_name = '{name}'"
    found = client.search_runs([parent.experiment_id], of_parent + named)
    return next((run.info for run in found if run.info.run_name == name), None)


def _create(
    client: Any, run: Path, uri: str, experiment: str | None, parent: MlflowRun | None
) -> Any:
    """A new run, which began when the folder's settings were written."""
    from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

    config = run / CONFIG
    return client.create_run(
        parent.experiment_id if parent else _experiment_id(client, uri, experiment),
        start_time=_milliseconds(config.stat().st_mtime if config.exists() else time.time()),
        run_name=run.name,
        tags={MLFLOW_PARENT_RUN_ID: parent.run_id} if parent else None,
    ).info


def _experiment_id(client: Any, uri: str, given: str | None) -> str:
    """The experiment of that name, which may be new; a database has its artifacts beside it."""
    if (number := experiment_id(given)) is not None:
        return str(client.get_experiment(number).experiment_id)
    name = experiment_name(given)
    experiment = client.get_experiment_by_name(name)
    if experiment is not None:
        return experiment.experiment_id
    artifacts = None
    if (database := sqlite_database(uri)) is not None:
        artifacts = (database.parent / "mlartifacts").as_uri()
    return client.create_experiment(name, artifact_location=artifacts)


def _describe(
    client: Any, run: MlflowRun, folder: Path, params: Mapping[str, Any], parent: MlflowRun | None
) -> None:
    """Log the parameters that are not there yet (a logged one cannot change), tags and data."""
    from mlflow.entities import Param
    from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

    logged = client.get_run(run.run_id)
    data, inputs = logged.data, logged.inputs
    new = [Param(n, str(v)[:LONGEST_VALUE]) for n, v in params.items() if n not in data.params]
    for some in _batches(new, MOST_PARAMS):
        client.log_batch(run.run_id, params=some)
    tags = tags_of(params, folder) | ({MLFLOW_PARENT_RUN_ID: parent.run_id} if parent else {})
    for name, value in tags.items():
        if data.tags.get(name) != value:
            client.set_tag(run.run_id, name, value)
    if not (inputs and inputs.dataset_inputs) and (datasets := datasets_of(params, folder)):
        client.log_inputs(run.run_id, datasets)


def _memory(run: Path) -> dict[str, dict[str, str]]:
    """`{uri: {"experiment_id", "run_id"}}`; empty where nothing readable is remembered."""
    try:
        memory = json.loads((run / RUN_FILE).read_text(encoding="utf-8"))
        return {uri: entry for uri, entry in memory.items() if "run_id" in entry}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _remember(run: Path, found: MlflowRun) -> None:
    entry = {"experiment_id": found.experiment_id, "run_id": found.run_id}
    memory = _memory(run)
    if memory.get(found.uri) != entry:
        write_whole(run / RUN_FILE, json.dumps({**memory, found.uri: entry}, indent=1))


def _metrics(record: Mapping[str, Any]) -> list[Any]:
    """The figures of a record as MLflow's metrics."""
    from mlflow.entities import Metric

    at, step = _milliseconds(record.get("at", time.time())), record["step"]
    figures = {n: v for n, v in record.items() if n not in NO_FIGURES and v is not None}
    return [Metric(n, v, at, step) for n, v in figures.items() if math.isfinite(v)]


def _be_silent(_: str) -> None:
    pass


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
