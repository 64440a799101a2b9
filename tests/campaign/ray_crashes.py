"""Kills of Ray's workers, drivers and nodes, and of a comparison.

Rule: the same command completes, its result is that of the quiet command, and no file and no
process is left.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil

from afa_ray.training.ray_run import OUR_OWN, QUIET
from tests.campaign.commands import TRIES, Command, to_its_end
from tests.campaign.crashes import wait_for
from tests.campaign.places import Place, files, quiet_run, records, result
from tests.campaign.processes import repeat
from tests.campaign.rules import Outcome
from tests.conftest import free_port

TWO = {"train.num_workers": 2, "train.max_failures": 1}
LOST = {"RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "60", "RAY_health_check_period_ms": "500"}


@contextlib.contextmanager
def ray_folder(address: str = "local") -> Iterator[dict[str, str]]:
    """The environment of commands on a cluster of their own."""
    folder = tempfile.mkdtemp(prefix="afa", dir="/tmp")  # short: it holds Unix sockets
    yield {"RAY_ADDRESS": address, "RAY_TMPDIR": folder, **LOST}
    shutil.rmtree(folder, ignore_errors=True)


def workers(command: Command) -> list[psutil.Process]:
    """The Ray Train workers of a command's own cluster."""
    return [p for p in command.children() if is_worker(p)]


def is_worker(process: psutil.Process) -> bool:
    try:
        return "RayTrainWorker" in " ".join(process.cmdline())
    except psutil.Error:
        return False


def worker(folder: Path, seed: int, times: int) -> Outcome:
    """One of two Ray workers is killed, at any moment of its life; Ray takes another, or the run is
    completed by the same command."""
    with ray_folder() as environment:
        place = Place(folder, values=TWO, environment=environment)
        lifetime = _lifetime(place)

        def once(name: str, moment: float) -> list[str]:
            command = place.start(name)
            there = wait_for(lambda: workers(command), command)
            command.ended(moment)
            if there:
                with contextlib.suppress(psutil.Error):
                    there[seed % len(there)].kill()
            command.ended()
            return [*command.left(), *place.completed(name)]

        return repeat("kills of a worker", seed, times, lifetime, once)


def _lifetime(place: Place) -> float:
    """The seconds of a worker's life, in a run that nothing happened to."""
    quiet_run(place)
    for _ in range(TRIES):
        command = place.start("timed")
        if wait_for(lambda command=command: workers(command), command):
            break
    born = time.monotonic()
    assert command.ended() == 0, command.said()
    place.remove("timed")
    return time.monotonic() - born


def driver(folder: Path, seed: int, times: int) -> Outcome:
    """The command itself, which has a cluster of its own: that goes with it."""
    with ray_folder() as environment:
        place = Place(folder, values=TWO, environment=environment)

        def once(name: str, moment: float) -> list[str]:
            command = place.start(name)
            command.ended(moment)
            command.kill()
            return [*command.left(), *place.completed(name)]

        return repeat("kills of the driver", seed, times, quiet_run(place), once)


def node(folder: Path, seed: int, times: int) -> Outcome:
    """One of two nodes of a cluster, which another one takes the place of."""
    with two_nodes() as (environment, replace):
        place = Place(folder, values=TWO, environment=environment)

        def once(name: str, moment: float) -> list[str]:
            command = place.start(name)
            command.ended(moment)
            replace()
            command.ended()
            return place.completed(name)

        return repeat("kills of a node", seed, times, quiet_run(place), once)


@contextlib.contextmanager
def two_nodes() -> Iterator[tuple[dict[str, str], Callable[[], None]]]:
    """The environment of commands on a cluster of two nodes on loopback, and what kills the second
    node and starts another."""
    with ray_folder() as environment, patch.dict(os.environ, environment | QUIET | OUR_OWN):
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 1, "include_dashboard": False, "dashboard_port": free_port()}
        cluster = patiently(lambda: Cluster(True, head_node_args=head))

        def added() -> Any:
            return patiently(lambda: cluster.add_node(num_cpus=1))

        second = [added()]

        def replace() -> None:
            cluster.remove_node(second.pop(), allow_graceful=False)
            second.append(added())

        try:
            yield environment | OUR_OWN | {"RAY_ADDRESS": cluster.address}, replace
        finally:
            cluster.shutdown()


def patiently(start: Callable[[], Any]) -> Any:
    """A node; one that a busy machine is too slow for is tried again."""
    for _ in range(TRIES):
        with contextlib.suppress(Exception):
            return start()
    return start()


def compare(folder: Path, seed: int, times: int) -> Outcome:
    """`tune.compare`: two methods, two seeds."""
    with ray_folder() as environment:
        place = Place(folder, values={"train.epochs": 2}, environment=environment)
        more = ["--compare.methods=plain,contrast", "--compare.seeds=2"]

        def start(name: str) -> Command:
            words = [word for word in place.words(name) if "num_workers" not in word]
            return Command("tune.compare", [*words, *more], folder / f"{name}.txt", environment)

        def once(name: str, moment: float) -> list[str]:
            command = start(name)
            command.ended(moment)
            command.kill()
            wrong = command.left()
            command = to_its_end(lambda: start(name))
            status = command.ended()
            wrong += [f"status {status}: {command.said()[-800:]}"] * (status != 0)
            wrong += command.left()
            wrong = wrong or unlike(place.storage / "quiet", place.storage / name)
            shutil.rmtree(place.storage / name, ignore_errors=True)
            return wrong

        command = to_its_end(lambda: start("quiet"))
        assert command.ended() == 0, command.said()
        return repeat("kills of tune.compare", seed, times, command.seconds, once)


def unlike(quiet: Path, other: Path) -> list[str]:
    """How a comparison differs from the quiet one."""
    found = []
    tables = [json.loads((study / "results.json").read_text()) for study in (quiet, other)]
    for table in tables:
        table["table"] = [row for row in table["table"] if "second" not in row["measure"]]
    if tables[0]["table"] != tables[1]["table"]:
        found.append("another table")
    for run in sorted((quiet / "runs").iterdir()):
        there = other / "runs" / run.name
        if result(there)["test"] != result(run)["test"] or records(there) != records(run):
            found.append(f"{run.name}: other figures")
    if left := set(files(quiet)) ^ set(files(other)):
        found.append(f"other files: {sorted(left)}")
    return found


PARTS = {f.__name__: f for f in (driver, worker, node, compare)}
