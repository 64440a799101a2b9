"""Load on the live page: many clients for a while, each of which asks again when it is answered."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil

from tests.campaign.commands import Command
from tests.campaign.crashes import asked, wait_for
from tests.campaign.ray_crashes import ray_folder
from tests.campaign.rules import Outcome
from tests.conftest import free_port
from tests.unit.test_classifier import TEXTS, save_single_layer

CLIENTS = 32
FIRST = 0.1  # of the time, after which memory is looked at first


def load(folder: Path, seconds: float, options: Sequence[str] = ()) -> Outcome:
    """One process, or several on a cluster of Ray of the command's own; see `ask`."""
    with ray_folder() as environment:
        model, port = save_single_layer(folder / "model"), free_port()
        words = [model, "--port", str(port), *options]
        command = Command("afa_ray.serve", words, folder / "serve.txt", environment)
        assert wait_for(lambda: asked(port), command) is not None, command.said()
        outcome = ask(" ".join(["load", *options]), command, port, seconds)
        command.kill()
        outcome.broken += command.left()
        return outcome


def ask(part: str, command: Command, port: int, seconds: float) -> Outcome:
    """No answer but 200 and the right one; `figures` are latencies in ms, and memory in MB."""
    outcome = Outcome(part, 0)
    end = time.monotonic() + seconds
    took: list[float] = []
    clients = [
        threading.Thread(target=_client, args=(port, number, end, took, outcome.broken))
        for number in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    time.sleep(FIRST * seconds)
    first = _memory_mb(command)
    for client in clients:
        client.join()
    last = _memory_mb(command)
    outcome.done = len(took)
    outcome.figures = {
        "clients": CLIENTS,
        "requests a second": round(len(took) / seconds, 1),
        **{f"p{p} ms": round(1000 * float(np.percentile(took, p)), 1) for p in (50, 90, 99, 100)},
        "memory MB at first": first,
        "memory MB at last": last,
    }
    if last > 1.1 * first:
        outcome.broken.append(f"memory grew from {first} to {last} MB")
    return outcome


def _client(port: int, number: int, end: float, took: list[float], broken: list[str]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    count = 0
    try:
        while time.monotonic() < end:
            text = f"{TEXTS[(number + count) % len(TEXTS)]} {number}"
            content = json.dumps({"text": text, "methods": ["attention", "gradient_norm"]})
            started = time.monotonic()
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/api/explain", content, headers)
            answer = connection.getresponse()
            found = answer.read()
            took.append(time.monotonic() - started)
            if answer.status != 200 or json.loads(found)["explanations"][0]["text"] != text:
                broken.append(f"client {number}: {answer.status} {found[:200]!r}")
            count += 1
    except (OSError, http.client.HTTPException, ValueError) as error:
        broken.append(f"client {number} after {count}: {error!r}")
    finally:
        connection.close()


def _memory_mb(command: Command) -> float:
    """Of the command and what it has started."""
    processes = [psutil.Process(command.process.pid), *command.children()]
    return round(sum(process.memory_info().rss for process in processes) / 2**20, 1)
