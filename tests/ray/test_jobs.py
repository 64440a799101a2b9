"""Ray jobs, sent with the real `ray job submit` to a real head node on loopback."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import TINY, free_port

pytestmark = [pytest.mark.ray, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PER_EPOCH = 24  # ceil(6,000 training texts / 256)
VALUES = TINY | {"train.batch_size": 256, "train.patience": 0, "train.num_workers": 1}


@dataclass(frozen=True)
class Head:
    """A running head node: its jobs address, its process, the environment of its commands."""

    address: str
    process: subprocess.Popen
    environment: dict[str, str]

    def ray_job(self, action: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`ray job ACTION …`; both output streams as `stdout`."""
        return subprocess.run(
            [BIN / "ray", "job", action, "--address", self.address, *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )

    def is_up(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self.address}/api/jobs/"):
            return True
        return False

    def submit(self, *command: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
        """Run a command as a Ray job, to its end."""
        return self.ray_job("submit", "--working-dir", str(ROOT), *options, "--", *command)

    def stop_job(self, name: str) -> None:
        """What `ray job stop` does, without the seconds that command takes to start."""
        address = f"{self.address}/api/jobs/{name}/stop"
        with urllib.request.urlopen(urllib.request.Request(address, method="POST")):
            pass

    def process_named(self, part: str) -> psutil.Process:
        """The latest process of this node with those words in its command line, but for shells."""
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.Error):  # it has ended meanwhile
                if part in " ".join(process.cmdline()) and "bash" not in process.name():
                    found.append(process)
        return found[-1]


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    """Two CPUs, in a temporary folder that no other cluster of this machine looks into."""
    folder = tempfile.mkdtemp(prefix="afa", dir="/tmp")  # short: it holds Unix sockets
    environment = os.environ | {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "RAY_TMPDIR": folder,
        "RAY_AUTH_MODE": "disabled",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # really on loopback, whatever the name says
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    environment.pop("RAY_ADDRESS", None)
    gcs, dashboard, agent = (free_port() for _ in range(3))
    process = subprocess.Popen(
        [BIN / "ray", "start", "--head", "--block", "--num-cpus", "2", "--num-gpus", "0",
         "--node-ip-address", "127.0.0.1", "--port", str(gcs), "--dashboard-host", "127.0.0.1",
         "--dashboard-port", str(dashboard), "--dashboard-agent-listen-port", str(agent)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    head = Head(f"http://127.0.0.1:{dashboard}", process, environment)
    try:
        wait_until(head.is_up)
        yield head
    finally:
        stop(process)
        shutil.rmtree(folder, ignore_errors=True)


def stop(process: subprocess.Popen) -> None:
    """End a head node with all that it started."""
    started = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(30)
    for survivor in psutil.wait_procs(started, timeout=10)[1]:
        survivor.kill()


def wait_until(condition: Callable[[], bool], submitted: Future | None = None) -> None:
    """Until it holds; a job that has ended meanwhile, whose output is then shown, is a failure."""
    deadline = time.monotonic() + 600  # of a slow and busy machine
    while not condition():
        assert submitted is None or not submitted.done(), submitted.result().stdout
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)


def arguments(storage: Path, name: str, **values: Any) -> list[str]:
    """The training command of a tiny run on the generated reviews."""
    values = VALUES | {"run.storage": storage, "run.name": name} | values
    options = [word for key, value in values.items() for word in (f"--{key}", str(value))]
    return ["python", "-m", "afa_ray.train", *options]


def steps(run: Path, kind: str) -> list[int]:
    lines = (run / "metrics.jsonl").read_text().splitlines(keepends=True)
    records = [json.loads(line) for line in lines if line.endswith("\n")]
    return [r["step"] for r in records if r["kind"] == kind]


def in_epoch(run: Path, number: int) -> bool:
    """Whether updates of that epoch (from 1) have been logged."""
    reached = steps(run, "train") if (run / "metrics.jsonl").exists() else []
    return bool(reached) and reached[-1] > (number - 1) * PER_EPOCH


def check_complete(run: Path, epochs: int) -> None:
    """Every epoch and every interval is there, once."""
    assert json.loads((run / "result.json").read_text())["training"]["epochs"] == epochs
    ends = [PER_EPOCH * n for n in range(1, epochs + 1)]
    assert steps(run, "epoch") == ends
    every = TINY["train.log_every"]
    intervals = {*range(every, ends[-1] + 1, every), *ends}
    assert steps(run, "train") == sorted(intervals)


def test_a_refused_job_fails_and_says_why(head: Head, tmp_path: Path) -> None:
    """A run with a mistake, then a search whose results would lie in the job's copy of the working
    directory, in one job."""
    run = arguments(tmp_path, "refused", **{"afa.k": 0})
    search = search_arguments(tmp_path, **{"run.storage": "runs"})
    done = head.submit("sh", "-c", f"{shlex.join(run)}; {shlex.join(search)}")
    assert done.returncode == 1
    assert "afa_ray.train: cannot run:" in done.stdout
    assert "afa.k = 0: must be at least 1" in done.stdout
    assert "tune.search: cannot run:" in done.stdout
    assert "run.storage = runs: lies in a Ray job's copy" in done.stdout
    assert "entrypoint command failed with exit code 2" in done.stdout


def test_a_run_that_crashed_is_continued(head: Head, tmp_path: Path) -> None:
    """SIGKILL of its worker, which `train.max_failures` does not forgive."""
    command = arguments(tmp_path, "first", **{"train.epochs": 8, "train.max_failures": 0})
    run = tmp_path / "first"
    with ThreadPoolExecutor() as pool:
        submitted = pool.submit(head.submit, *command)
        wait_until(lambda: in_epoch(run, 3), submitted)
        head.process_named("RayTrainWorker").kill()
        crashed = submitted.result()
    assert crashed.returncode == 1
    assert "ended early; the same settings with --run.name first continue" in crashed.stdout
    assert not (run / "result.json").exists()

    done = head.submit(*command)
    print(done.stdout)
    assert done.returncode == 0
    for text in ("  resume  after", "epoch 8 ", "/192", "test (epoch ", "succeeded"):
        assert text in done.stdout  # what the run prints reaches its submitter
    assert "Traceback" not in done.stdout
    check_complete(run, epochs=8)


def search_arguments(storage: Path, **values: Any) -> list[str]:
    """The command of a small search; a study is one process a trial."""
    small = {"train.epochs": 2, "train.num_workers": 0, "search.samples": 5,
             "search.scheduler": "fifo", "search.final_seeds": 1}  # fmt: skip
    return ["python", "-m", "tune.search", *arguments(storage, "sweep", **small | values)[3:]]


def test_a_search_that_was_stopped_is_continued(head: Head, tmp_path: Path) -> None:
    command = search_arguments(tmp_path)
    ended = partial(ended_trials, tmp_path / "sweep")
    with ThreadPoolExecutor() as pool:
        submitted = pool.submit(head.submit, *command, options=("--submission-id", "sweep"))
        wait_until(lambda: ended() >= 1, submitted)
        head.stop_job("sweep")
        assert submitted.result().returncode == 0
    assert ended() < 5
    assert not (tmp_path / "sweep" / "best.yaml").exists()
    done = head.submit(*command)
    print(done.stdout)
    assert done.returncode == 0
    assert "5/5" in done.stdout
    assert "best: trial-" in done.stdout
    assert "Traceback" not in done.stdout
    assert len(json.loads((tmp_path / "sweep" / "trials.json").read_text())) == ended() == 5
    assert len(list((tmp_path / "sweep" / "final").glob("*/result.json"))) == 1


def ended_trials(study: Path) -> int:
    return len(list(study.glob("trials/*/trial.json")))
