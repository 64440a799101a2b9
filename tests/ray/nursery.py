"""Workers of the tests' clusters that have done most of their importing when they are born.

Ray starts a Python for each worker, which imports torch, transformers, pandas and the rest anew:
seconds of work, some hundred times over all tests. The nursery imports them once and forks itself
for each worker. It must not have imported Ray, which reads a worker's environment as it is loaded.
"""

from __future__ import annotations

import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from afa_ray.importing import lasting

ROOT = Path(__file__).parents[2]
ADDRESS = "AFA_NURSERY"  # in the environment of a node: the nursery's socket
NODE = {  # what a node is started with; no test reads Ray's logs or has a cluster grow by itself
    "worker_path": str(Path(__file__).with_name("warm_worker.py")),
    "include_log_monitor": False,
    "no_monitor": True,
}
RARELY = {  # when a node looks at all of its processes; whether it counts what they do
    "REPORTER_UPDATE_INTERVAL_MS": "60000",
    "RAY_enable_metrics_collection": "0",
}
NEEDED = (
    "afa_ray.train", "afa_ray.explaining.parts", "tune.imbalance_measures", "mlflow",
    "sklearn.feature_extraction.text", "sklearn.linear_model", "sklearn.model_selection",
    "matplotlib.figure", "pyarrow.parquet", "fsspec", "torch._dynamo", "torch.distributed.fsdp",
    "fastapi", "jsonschema", "pydantic", "requests", "rich.console",
)  # fmt: skip


@contextmanager
def nursery(folder: str) -> Iterator[str]:
    """A nursery while the context lasts, or until this process is gone; yields its socket."""
    address = f"{folder}/nursery"
    command = [sys.executable, "-m", "tests.ray.nursery", address]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield address
        finally:
            process.kill()


def serve(address: str) -> None:
    """Fork a worker for each that asks, until nobody holds the other end of the input."""
    with lasting():  # what all workers share none of them looks through, and so copies
        for name in NEEDED:
            import_module(name)
    assert "ray" not in sys.modules
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a worker
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        print("ready", flush=True)
        while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
            asking, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                return become_worker(asking)
            asking.close()


def become_worker(asking: socket.socket) -> None:
    """Be what Ray has started: with its streams, arguments, environment and folder."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, streams, _, _ = socket.recv_fds(asking, 1, 3)
    for own, given in enumerate(streams):
        os.dup2(given, own)
        os.close(given)
    with asking, asking.makefile("rb") as file:
        sys.argv, environment, folder = json.load(file)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    runpy.run_module("ray._private.workers.default_worker", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve(sys.argv[1])
