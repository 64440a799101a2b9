"""Nodes that die and nodes that join while a run trains.

Several Ray nodes on this machine stand for as many machines. Training is held at an update until
the test lets it go on, so nothing depends on how fast the machine is.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from afa_ray import train as train_module
from afa_ray.config import Settings
from afa_ray.training import ray_run
from tests.conftest import free_port, with_values
from tests.ray.actors import processes_of
from tests.ray.nursery import RARELY

pytestmark = [pytest.mark.ray, pytest.mark.slow]

PER_EPOCH = 10  # ceil(150 training texts / 16)
HOLD = "hold"  # a file beside the run: the update before which all workers wait


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch, warm: dict[str, Any]) -> Iterator[Any]:
    """A cluster whose head has one CPU; `add_node` adds others, with `warm` as it has."""
    quick = {"RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "10", "RAY_health_check_period_ms": "500"}
    for name, value in (ray_run.QUIET | ray_run.OUR_OWN | RARELY | quick).items():
        monkeypatch.setenv(name, value)
    import ray
    from ray.cluster_utils import Cluster

    monkeypatch.setattr(ray_run, "_worker_loop", worker_loop_that_waits())
    dashboard = {"include_dashboard": False, "dashboard_port": free_port()}
    head_node = {"num_cpus": 1, **dashboard, **warm}
    cluster = Cluster(True, head_node_args=head_node)
    try:
        ray.init(cluster.address, logging_level="ERROR", log_to_driver=False)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


def worker_loop_that_waits() -> Callable[[dict[str, Any]], None]:
    """What each worker runs: training that waits at the update named in the file `hold`.

    A function within a function travels to the workers whole; they do not know this module.
    """

    def loop(config: dict[str, Any]) -> None:
        import ray

        from afa_ray.training.learner import Learner
        from afa_ray.training.ray_run import _worker_loop

        update, hold = Learner.update, ray.get(config["job"]).run.parent / HOLD

        def held_update(self: Learner, batch: Any, step: int) -> None:
            while hold.exists() and step >= int(hold.read_text()):
                time.sleep(0.05)
            update(self, batch, step)

        Learner.update = held_update  # type: ignore[method-assign]
        _worker_loop(config)

    return loop


class Training:
    """A run in another thread, held before update `hold`."""

    def __init__(self, settings: Settings, storage: Path, hold: int) -> None:
        values = {"run.storage": str(storage), "run.name": "run"}
        self._settings = with_values(settings, **values)
        self.run, self._hold = storage / "run", storage / HOLD
        self._result: Future[Any] = Future()
        self.hold_at(hold)
        threading.Thread(target=self._train, daemon=True).start()

    def _train(self) -> None:
        try:
            self._result.set_result(train_module.train(self._settings))
        except BaseException as error:
            self._result.set_exception(error)

    def hold_at(self, step: int) -> None:
        unfinished = self._hold.with_suffix(".new")
        unfinished.write_text(str(step))
        unfinished.replace(self._hold)
        self._held_at = step

    def wait_for(self, workers: int) -> None:
        """Until that many workers wait where the training is held."""
        self._wait_until(lambda: alive_workers() == workers and self._last_step() == self._held_at)

    def wait_for_workers(self, count: int) -> None:
        self._wait_until(lambda: alive_workers() == count)

    def finish(self) -> None:
        self._hold.unlink()
        self._result.result(600)

    def _last_step(self) -> int:
        file = self.run / "metrics.jsonl"
        records = complete_records(file) if file.exists() else []
        return records[-1]["step"] if records else 0

    def _wait_until(self, condition: Callable[[], bool], seconds: float = 600) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert not self._result.done(), self._result.exception()
            assert time.monotonic() < deadline, "waited too long"
            time.sleep(0.1)


def complete_records(file: Path) -> list[dict[str, Any]]:
    lines = file.read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def alive_workers() -> int:
    """Ray Train workers of all nodes of this test."""
    return len(processes_of("RayTrainWorker"))


@pytest.fixture
def settings(tiny_settings: Callable[..., Settings], on_small_corpus: None) -> Settings:
    return tiny_settings(
        {"train.epochs": 5, "train.patience": 0, "target.dropout": 0.0, "train.log_every": 1}
    )


def check_untroubled(run: Path, settings: Settings) -> None:
    """Each epoch and update is there, once, with the figures of a run in one process."""
    calm = run.parent / "calm"
    values = {"run.storage": str(calm.parent), "run.name": calm.name, "train.num_workers": 0}
    train_module.train(with_values(settings, **values))
    found, expected = (complete_records(folder / "metrics.jsonl") for folder in (run, calm))
    assert [(r["kind"], r["step"]) for r in found] == [(r["kind"], r["step"]) for r in expected]
    for one, two in zip(found, expected, strict=True):
        for name in two.keys() - {"time/tokens_per_s", "kind", "at"}:
            assert one[name] == pytest.approx(two[name], rel=5e-3, abs=5e-4), name
    results = [json.loads((folder / "result.json").read_text()) for folder in (run, calm)]
    assert results[0]["test"]["accuracy"] == pytest.approx(results[1]["test"]["accuracy"], abs=0.02)


def test_workers_come_and_go_with_their_nodes(
    head: Any,
    warm: dict[str, Any],
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One worker; two once a second node has joined; that node dies and another takes its place;
    one worker again once that has died, too."""
    look_every_second(monkeypatch)
    settings = with_values(settings, **{"train.num_workers": "1:2", "train.max_failures": 4})
    training = Training(settings, tmp_path, hold=PER_EPOCH + 5)
    training.wait_for(workers=1)
    node = head.add_node(num_cpus=1, **warm)
    training.wait_for_workers(2)
    training.hold_at(2 * PER_EPOCH + 5)
    training.wait_for(workers=2)
    head.remove_node(node, allow_graceful=False)
    node = head.add_node(num_cpus=1, **warm)
    training.hold_at(3 * PER_EPOCH + 5)
    training.wait_for(workers=2)
    head.remove_node(node, allow_graceful=False)
    training.wait_for_workers(1)
    training.hold_at(4 * PER_EPOCH + 5)
    training.wait_for(workers=1)
    training.finish()
    check_untroubled(training.run, settings)


def look_every_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have an elastic worker group look for new nodes every second instead of every minute."""
    import ray.train

    quick = partial(ray.train.ScalingConfig, elastic_resize_monitor_interval_s=1)
    monkeypatch.setattr(ray.train, "ScalingConfig", quick)
