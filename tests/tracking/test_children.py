"""Runs of a study, opened and filled by several processes at once on one database."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, set_forkserver_preload
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from afa_ray.config import Settings
from afa_ray.dotted import override
from afa_ray.records.mlflow_opening import open_mlflow_run
from afa_ray.records.mlflow_run import MlflowRun
from afa_ray.records.run_folder import begin
from tests.conftest import free_port
from tests.tracking.helpers import artifacts, history, logged_runs

pytestmark = pytest.mark.slow

STEPS, CHILDREN = 5, 3
barrier: Any = None


def begin_together(shared: Barrier) -> None:
    """`shared` lets the processes open their first runs together."""
    global barrier
    barrier = shared


def fill_children(study: Path, process: int, parent: MlflowRun) -> list[MlflowRun | None]:
    opened = []
    for number in range(CHILDREN):
        barrier.wait(60)
        folder = study / "runs" / f"child-{process}-{number}"
        settings = override(Settings(), {"run.name": folder.name, "train.seed": number})
        begin(settings, folder)
        child = open_mlflow_run(settings, folder, parent)
        assert child is not None
        for step in range(STEPS):
            child.log_metrics({"train/loss": 1.0, "train/accuracy": 0.5}, step)
        child.finish(folder, {"test/accuracy": 0.5}, STEPS)
        opened.append(child)
    return opened


def test_two_processes_at_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    study = tmp_path / "study"
    begin(Settings(), study)
    parent = open_mlflow_run(Settings(), study)
    assert parent is not None
    set_forkserver_preload([__name__, "mlflow.tracking"])  # imported once, for both
    context = get_context("forkserver")
    with ProcessPoolExecutor(
        2, context, initializer=begin_together, initargs=(context.Barrier(2),)
    ) as pool:
        jobs = [pool.submit(fill_children, study, process, parent) for process in range(2)]
        opened = [child for job in jobs for child in job.result(120)]
    parent.finish(study, {}, 0)
    *children, top = logged_runs(parent.uri, "afa_ray")
    assert (top.info.run_id, top.info.status) == (parent.run_id, "FINISHED")
    assert len(children) == 2 * CHILDREN
    assert {child.info.run_id for child in children} == {child.run_id for child in opened}
    for child in children:
        assert child.info.status == "FINISHED"
        assert child.data.tags["mlflow.parentRunId"] == parent.run_id
        assert child.data.params["train.seed"] == child.info.run_name[-1]
        assert len(history(parent.uri, child.info.run_id, "train/loss")) == STEPS
        assert artifacts(parent.uri, child.info.run_id) == {"config.yaml"}
    assert capfd.readouterr().out == ""


def test_a_child_is_silent_where_the_server_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    begin(Settings(), tmp_path)
    parent = MlflowRun(f"http://127.0.0.1:{free_port()}", "0", "1")
    assert open_mlflow_run(Settings(), tmp_path, parent) is None
    output = capfd.readouterr()
    assert output.out + output.err == ""
