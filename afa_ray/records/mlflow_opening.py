"""Which MLflow run it is that belongs to a folder: made, or found again."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from afa_ray.config import Settings
from afa_ray.dotted import flatten
from afa_ray.json_files import DamagedError, read_object
from afa_ray.records.mlflow_about import RUN_FILE, datasets_of, tags_of
from afa_ray.records.mlflow_client import UnreachableError, speaking_to
from afa_ray.records.mlflow_place import (
    experiment_id,
    experiment_name,
    from_environment,
    place_of_tracking,
    sqlite_database,
)
from afa_ray.records.mlflow_run import (
    LONGEST_VALUE,
    MOST_PARAMS,
    MlflowRun,
    in_batches,
    milliseconds,
)
from afa_ray.records.run_folder import CONFIG
from afa_ray.redaction import redacted
from afa_ray.whole_files import write_whole


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
    command = f"python -m afa_ray.track {shlex.quote(str(run))}"
    if redacted(uri) == uri:  # else it is that of the environment
        command += f" --mlflow.uri {shlex.quote(uri)}"
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


def remembered(run: Path, uri: str) -> MlflowRun | None:
    """The run of a folder at a server, if it has one there.

    Raises:
        UnreachableError: the server does not answer.
    """
    with speaking_to(uri) as client:
        info = _remembered_run(client, run, uri)
    return None if info is None else MlflowRun(uri, info.experiment_id, info.run_id)


def _remembered_run(client: Any, run: Path, uri: str) -> Any:
    """The run that the folder remembers, or None; None also if somebody has deleted it."""
    from mlflow.exceptions import MlflowException

    if (place := redacted(uri)) not in (memory := _memory(run)):
        return None
    try:
        info = client.get_run(memory[place]["run_id"]).info
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
        start_time=milliseconds(config.stat().st_mtime if config.exists() else time.time()),
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
    new = [
        Param(n, redacted(str(v))[:LONGEST_VALUE])
        for n, v in params.items()
        if n not in data.params
    ]
    for some in in_batches(new, MOST_PARAMS):
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
        memory = read_object(run / RUN_FILE) or {}
    except DamagedError:
        return {}
    return {redacted(uri): entry for uri, entry in memory.items() if _is_entry(entry)}


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("run_id"), str)


def _remember(run: Path, found: MlflowRun) -> None:
    entry = {"experiment_id": found.experiment_id, "run_id": found.run_id}
    memory = _memory(run)
    place = redacted(found.uri)
    if memory.get(place) != entry:
        write_whole(run / RUN_FILE, json.dumps({**memory, place: entry}, indent=1))


def _be_silent(_: str) -> None:
    pass
