"""Kills of what is no training: a server of MLflow, an audit, explanations that are written to a
file, and a live page.

Rule: the same command completes, its result is that of the quiet command, and no file and no
process is left.
"""

from __future__ import annotations

import json
import shutil
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from afa_ray.data.tickets import write_tickets
from tests.campaign.commands import Command
from tests.campaign.places import Place, files, quiet_run, tracked
from tests.campaign.processes import repeat
from tests.campaign.rules import Outcome
from tests.conftest import free_port
from tests.tracking.helpers import Server
from tests.unit.test_classifier import save_single_layer


def wait_for(what: Callable[[], Any], command: Command) -> Any:
    """What it returns once that is true; None where the command has ended before."""
    while not (found := what()):
        if command.ended(0.05) is not None:
            return None
    return found


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


def audit(folder: Path, seed: int, times: int) -> Outcome:
    """`afa_ray.audit`: the same command goes on, and finds what a quiet audit finds."""
    place = Place(folder)
    quiet_run(place)

    def start(out: Path) -> Command:
        words = [str(place.storage / "quiet"), "--texts", "20", "--out", str(out)]
        return Command("afa_ray.audit", words, folder / "said.txt")

    def once(name: str, moment: float) -> list[str]:
        out = folder / name
        command = start(out)
        command.ended(moment)
        command.kill()
        command = start(out)
        status = command.ended()
        wrong = [f"status {status}: {command.said()[-800:]}"] * (status != 0)
        wrong += ["other figures"] * (not wrong and found(out) != found(folder / "audit"))
        wrong += ["a file left"] * (set(files(out)) != set(files(folder / "audit")))
        shutil.rmtree(out)
        return wrong

    started = time.monotonic()
    command = start(folder / "audit")
    assert command.ended() == 0, command.said()
    return repeat("kills of audit", seed, times, time.monotonic() - started, once)


def found(audit: Path) -> Any:
    """What an audit found, but for the seconds that it took."""

    def timeless(tree: Any) -> Any:
        if isinstance(tree, dict):
            return {name: timeless(of) for name, of in tree.items() if name != "seconds"}
        return [timeless(of) for of in tree] if isinstance(tree, list) else tree

    return timeless(json.loads((audit / "audit.json").read_text()))


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


PARTS = {f.__name__: f for f in (audit, explain, serve, server)}
