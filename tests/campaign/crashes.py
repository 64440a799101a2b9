"""Kills of what is not one training process: Ray's workers, drivers and nodes, a server of MLflow,
a comparison, explanations that are written to a file, and a live page.

Rule: the same command completes, its result is that of the quiet command, and no file and no
process is left.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from afa_ray.data.tickets import write_tickets
from tests.campaign.commands import TRIES, Command, to_its_end
from tests.campaign.places import Place, files, quiet_run, records, result, tracked
from tests.campaign.processes import repeat
from tests.campaign.rules import Outcome
from tests.conftest import free_port
from tests.tracking.helpers import Server
from tests.unit.test_classifier import save_single_layer

TWO = {"train.num_workers": 2, "train.max_failures": 1}
LOST = {"RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "60", "RAY_health_check_period_ms": "500"}


@contextlib.contextmanager
def ray_folder(address: str = "local") -> Iterator[dict[str, str]]:
    """The environment of commands on a cluster of their own, or on that of the address."""
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


def wait_for(what: Callable[[], Any], command: Command) -> Any:
    """What it returns once that is true; None where the command has ended before."""
    while not (found := what()):
        if command.ended(0.05) is not None:
            return None
    return found


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
    from ray.cluster_utils import Cluster

    with ray_folder() as environment, contextlib.ExitStack() as stack:
        head = {"num_cpus": 1, "include_dashboard": False, "dashboard_port": free_port()}
        cluster = Cluster(True, head_node_args=head)
        stack.callback(cluster.shutdown)
        environment["RAY_ADDRESS"] = cluster.address
        place = Place(folder, values=TWO, environment=environment)

        def added() -> Any:
            """Another node; one that a busy machine is too slow for is tried again."""
            for _ in range(5):
                with contextlib.suppress(Exception):
                    return cluster.add_node(num_cpus=1)
            return cluster.add_node(num_cpus=1)

        second = [added()]

        def once(name: str, moment: float) -> list[str]:
            command = place.start(name)
            command.ended(moment)
            cluster.remove_node(second.pop(), allow_graceful=False)
            second.append(added())
            command.ended()
            return place.completed(name)

        return repeat("kills of a node", seed, times, quiet_run(place), once)


def server(folder: Path, seed: int, times: int) -> Outcome:
    """An MLflow server in the middle of a run, which is handed on by `afa_ray.track` later."""
    folder.mkdir(parents=True, exist_ok=True)
    mlflow = Server(folder)
    mlflow.start()
    place = Place(folder, mlflow.uri)

    def once(name: str, moment: float) -> list[str]:
        command = place.start(name)
        command.ended(moment)
        mlflow.stop()
        status = command.ended()
        mlflow.start()
        wrong = [f"status {status}: {command.said()[-800:]}"] * (status != 0)
        words = [str(place.storage / name), f"--mlflow.uri={place.mlflow}"]
        uploaded = Command("afa_ray.track", words, folder / f"{name}.txt").ended()
        wrong += [f"track: status {uploaded}: {place.said(name)[-800:]}"] * (uploaded != 0)
        wrong += [*place.like(name), *tracked(place, name)]
        shutil.rmtree(place.storage / name, ignore_errors=True)
        return wrong

    try:
        return repeat("kills of the mlflow server", seed, times, quiet_run(place), once)
    finally:
        mlflow.stop()


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


def explain(folder: Path, seed: int, times: int) -> Outcome:
    """`afa_ray.explain --out`: what stood there stays until all is written."""
    folder.mkdir(parents=True, exist_ok=True)
    model = save_single_layer(folder / "model", seed=0)
    texts = folder / "texts.csv"
    write_tickets(texts, rows=3000, seed=0)
    words = [model, "--file", str(texts), "--text_column", "message", "--methods",
             "attention,gradient_norm"]  # fmt: skip

    def start(out: Path) -> Command:
        return Command("afa_ray.explain", [*words, "--out", str(out)], folder / "said.txt")

    def once(name: str, moment: float) -> list[str]:
        place = folder / name
        place.mkdir()
        out = place / ("rows.jsonl", "rows.csv")[int(name[-1]) % 2]
        out.write_text("of before")
        command = start(out)
        command.ended(moment)
        command.kill()
        whole = rows_of(folder / out.name)
        there = out.read_text() == "of before" or rows_of(out) == whole
        wrong = ["half a file"] * (not there)
        command = start(out)
        status = command.ended()
        wrong += [f"status {status}: {command.said()[-800:]}"] * (status != 0)
        wrong += ["other rows"] * (rows_of(out) != whole)
        wrong += ["a file left"] * ([file.name for file in place.iterdir()] != [out.name])
        shutil.rmtree(place)
        return wrong

    seconds = 0.0
    for name in ("rows.jsonl", "rows.csv"):
        started = time.monotonic()
        command = start(folder / name)
        assert command.ended() == 0, command.said()
        seconds = time.monotonic() - started
    return repeat("kills of explain", seed, times, seconds, once)


def rows_of(file: Path) -> Any:
    """The rows of a file of explanations, but for the seconds that they took."""
    lines = file.read_text().splitlines()
    if file.suffix == ".csv":
        return lines
    return [{k: v for k, v in json.loads(line).items() if k != "cost"} for line in lines]


def serve(folder: Path, seed: int, times: int) -> Outcome:
    """`afa_ray.serve`: started again at the same place, it gives the same answers."""
    folder.mkdir(parents=True, exist_ok=True)
    model, port = save_single_layer(folder / "model", seed=0), free_port()
    kept = sorted(files(folder))

    def start(name: str) -> Command:
        return Command("afa_ray.serve", [model, "--port", str(port)], folder / f"{name}.said")

    def ready(command: Command) -> Any:
        return wait_for(lambda: asked(port), command)

    def once(name: str, moment: float) -> list[str]:
        command = start(name)
        deadline = time.monotonic() + moment
        while time.monotonic() < deadline:
            asked(port)
            time.sleep(0.01)
        command.kill()
        wrong = command.left()
        command = start(name)
        wrong += ["another answer"] * (ready(command) != answer)
        command.kill()
        (folder / f"{name}.said").unlink()
        wrong += ["a file left"] * (sorted(files(folder)) != kept)
        return wrong

    started = time.monotonic()
    command = start("quiet")
    answer = ready(command)
    assert answer is not None, command.said()
    seconds = time.monotonic() - started
    command.kill()
    (folder / "quiet.said").unlink()
    return repeat("kills of serve", seed, times, 2 * seconds, once)


def asked(port: int) -> Any:
    """What the page's interface explains; None where nobody answers."""
    content = json.dumps({"text": "superb day", "methods": ["attention"]}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/explain", content, {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            found = json.loads(answer.read())["explanations"]
            return [{k: v for k, v in one.items() if k != "cost"} for one in found]
    except (OSError, ValueError):
        return None


PARTS = {f.__name__: f for f in (explain, serve, server, driver, worker, node, compare)}
