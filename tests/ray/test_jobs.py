"""Ray jobs, sent with the real `ray job submit` to the head node of the docs' quick start."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
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
from tests.ray.nursery import RARELY
from tests.ray.small_study import write_texts

pytestmark = [pytest.mark.ray, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PER_EPOCH = 12  # 96 training texts / 8
EPOCHS = 16  # many: a run must not be done before it is killed in its third
UPDATES = 60  # of the quick start
TEXTS = {"train": 96, "validation": 16, "test": 16}
VALUES = TINY | {
    "data.name": "small",
    "train.batch_size": 8,
    "train.patience": 0,
    "train.num_workers": 1,
    "evaluate.texts": 100,
}


@dataclass(frozen=True)
class Head:
    """A running head node: its jobs address, the environment of its commands, and what the quick
    start said."""

    address: str
    environment: dict[str, str]
    said: str

    @property
    def home(self) -> Path:
        return Path(self.environment["HOME"])

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

    def submit(self, *command: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
        """Run a command as a Ray job, to its end."""
        return self.ray_job("submit", "--working-dir", str(ROOT), *options, "--", *command)

    def stop_job(self, name: str) -> None:
        """What `ray job stop` does, without the seconds that command takes to start."""
        token = (self.home / ".ray" / "auth_token").read_text()
        address = f"{self.address}/api/jobs/{name}/stop"
        header = {"Authorization": f"Bearer {token}"}
        with urllib.request.urlopen(urllib.request.Request(address, headers=header, method="POST")):
            pass

    def processes(self) -> list[psutil.Process]:
        """All that the node and its jobs have started: their environment tells."""
        return processes_of(self.environment["RAY_TMPDIR"])

    def named(self, part: str) -> list[psutil.Process]:
        """The processes with those words in their command lines, but for shells, by age."""
        found = []
        for process in self.processes():
            with suppress(psutil.Error):  # it has ended meanwhile
                if part in " ".join(process.cmdline()) and "bash" not in process.name():
                    found.append(process)
        return found


def processes_of(folder: str) -> list[psutil.Process]:
    """The processes with that RAY_TMPDIR and their children, by age; other clusters of this machine
    have others. (Ray's agents write their name over their environment. Left alone, one whose node
    is a zombie keeps a core busy.)"""
    found = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("RAY_TMPDIR") == folder:
                found |= {process, *process.children(recursive=True)}
    return sorted(found, key=lambda process: process.create_time())


def quick_start(dashboard: int) -> str:
    """What docs/how-to/clusters.md has a user type, on free ports and with the `.venv` of this.

    Two CPUs whatever the machine has, and half of the updates.
    """
    page = (ROOT / "docs" / "how-to" / "clusters.md").read_text(encoding="utf-8")
    marked = re.search(r"<!-- a test types this.*?```bash\n(.*?)```", page, re.DOTALL)
    assert marked is not None
    ports = {"port": free_port(), "dashboard-port": dashboard,
             "dashboard-agent-listen-port": free_port(), "ray-client-server-port": free_port(),
             "num-cpus": 2, "num-gpus": 0}  # fmt: skip
    given = " ".join(f"--{name} {value}" for name, value in ports.items())
    typed = marked[1].replace("--head", f"--head {given}", 1)
    assert "8265" in typed
    typed = typed.replace("8265", str(dashboard)).replace(".venv/bin", str(BIN))
    return typed.replace("--run.name", f"--train.max_steps {UPDATES} --run.name")


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    """The quick start, typed in a fresh shell; its files are in folders of their own."""
    folder = tempfile.mkdtemp(prefix="afa", dir="/tmp")  # short: it holds Unix sockets
    home, dashboard = Path(folder, "home"), free_port()
    home.mkdir()
    fresh = {
        "HOME": str(home),
        "PATH": os.defpath,
        "RAY_TMPDIR": folder,
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_enable_worker_prestart": "0",  # processes that nothing here needs
        "RAY_prestart_worker_first_driver": "0",
        "RAY_worker_niceness": "0",  # other tests run beside these
        "OMP_WAIT_POLICY": "PASSIVE",
        **RARELY,
    }
    try:
        done = subprocess.run(
            ["bash", "-ec", quick_start(dashboard)],
            cwd=ROOT,
            env=fresh,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout
        later = {"PATH": f"{BIN}{os.pathsep}{os.defpath}", "RAY_AUTH_MODE": "token"}
        yield Head(f"http://127.0.0.1:{dashboard}", fresh | later, done.stdout)
    finally:
        stop(folder)
        shutil.rmtree(folder, ignore_errors=True)


def stop(folder: str) -> None:
    """End a head node with all that it started; `ray stop` would end every Ray of the machine."""
    started = processes_of(folder)
    for process in started:
        with suppress(psutil.Error):
            process.terminate()
    for survivor in psutil.wait_procs(started, timeout=2)[1]:
        with suppress(psutil.Error):
            survivor.kill()


def wait_until(condition: Callable[[], bool], submitted: Future | None = None) -> None:
    """Until it holds; a job that has ended meanwhile, whose output is then shown, is a failure."""
    deadline = time.monotonic() + 600  # of a slow and busy machine
    while not condition():
        assert submitted is None or not submitted.done(), submitted.result().stdout
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)


def arguments(storage: Path, name: str, **values: Any) -> list[str]:
    """The training command of a tiny run on texts of files."""
    files = {f"data.{split}_file": write_texts(storage, split, n) for split, n in TEXTS.items()}
    values = VALUES | files | {"run.storage": storage, "run.name": name} | values
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


def check_complete(run: Path) -> None:
    """Every epoch and every interval is there, once."""
    assert json.loads((run / "result.json").read_text())["training"]["epochs"] == EPOCHS
    ends = [PER_EPOCH * n for n in range(1, EPOCHS + 1)]
    assert steps(run, "epoch") == ends
    every = TINY["train.log_every"]
    intervals = {*range(every, ends[-1] + 1, every), *ends}
    assert steps(run, "train") == sorted(intervals)


def test_the_quick_start(head: Head) -> None:
    """It trains to the end, and nothing listens to the network."""
    for text in ("test (epoch ", "a bag of words: accuracy", "succeeded"):
        assert text in head.said
    assert (head.home / "afa-runs" / "first" / "result.json").exists()
    listening = {
        socket.laddr.ip.removeprefix("::ffff:")
        for process in head.processes()
        for socket in process.net_connections()
        if socket.status == psutil.CONN_LISTEN
    }
    assert listening <= {"127.0.0.1", "::1"}
    with pytest.raises(urllib.error.HTTPError, match="401"):  # without the token
        urllib.request.urlopen(f"{head.address}/api/jobs/")


def test_a_run_that_crashed_is_continued(head: Head, tmp_path: Path) -> None:
    """SIGKILL of its worker, which `train.max_failures` does not forgive; then, in one job, without
    workers, and a search whose results would lie in the job's copy of the working directory."""
    values = {"train.epochs": EPOCHS, "train.max_failures": 0}
    command = arguments(tmp_path, "first", **values)
    run = tmp_path / "first"
    with ThreadPoolExecutor() as pool:
        submitted = pool.submit(head.submit, *command)
        wait_until(lambda: in_epoch(run, 3), submitted)
        head.named("RayTrainWorker")[-1].kill()
        crashed = submitted.result()
    assert crashed.returncode == 1
    assert "ended early; the same settings with --run.name first continue" in crashed.stdout
    assert not (run / "result.json").exists()

    again = arguments(tmp_path, "first", **values, **{"train.num_workers": 0})
    in_copy = search_arguments(tmp_path, **{"run.storage": "runs"})
    done = head.submit("sh", "-c", f"{shlex.join(again)} && {shlex.join(in_copy)}")
    print(done.stdout)
    counted = (f"epoch {EPOCHS} ", f"/{EPOCHS * PER_EPOCH}")
    for text in ("  resume  after", *counted, "test (epoch "):
        assert text in done.stdout  # what the run prints reaches its submitter
    assert "Traceback" not in done.stdout
    check_complete(run)
    assert done.returncode == 1
    assert "tune.search: cannot run:" in done.stdout
    assert "run.storage = runs: lies in a Ray job's copy" in done.stdout
    assert "entrypoint command failed with exit code 2" in done.stdout


def search_arguments(storage: Path, **values: Any) -> list[str]:
    """The command of a small search, one trial after the other."""
    small = {"train.epochs": 6, "train.num_workers": 0, "search.samples": 2,
             "search.max_concurrent": 1, "search.scheduler": "fifo",
             "search.final_seeds": 1}  # fmt: skip
    return ["python", "-m", "tune.search", *arguments(storage, "sweep", **small | values)[3:]]


def test_a_search_that_is_stopped_keeps_what_it_has(head: Head, tmp_path: Path) -> None:
    """`ray job stop`: trials that have ended stay whole, no other goes on. (The same command then
    continues, as after a kill: `test_search`.)"""
    command, ended = search_arguments(tmp_path), partial(ended_trials, tmp_path / "sweep")
    with ThreadPoolExecutor() as pool:
        submitted = pool.submit(head.submit, *command, options=("--submission-id", "sweep"))
        wait_until(lambda: ended() >= 1, submitted)
        head.stop_job("sweep")
        assert submitted.result().returncode == 0
    assert ended() < 2
    assert not (tmp_path / "sweep" / "best.yaml").exists()
    wait_until(lambda: not head.named("ImplicitFunc"))
    assert ended() < 2


def ended_trials(study: Path) -> int:
    return len(list(study.glob("trials/*/trial.json")))
