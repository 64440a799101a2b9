"""`python -m afa_ray.serve --serve.replicas 2`: one process's app, by two that share requests."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import afa_ray
from afa_ray.serve import main
from tests.conftest import free_port
from tests.ray.actors import processes_of
from tests.unit.test_classifier import save_single_layer

pytest.importorskip("ray.serve", reason="pip install 'afa_ray[serve]'")
pytestmark = [pytest.mark.ray, pytest.mark.slow]
TEXT = "superb <b>day</b>"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("models")
    return [save_single_layer(folder / name, seed) for seed, name in enumerate(("one", "two"))]


@pytest.fixture(scope="module")
def address(models: list[str], node: str) -> Iterator[str]:
    port = free_port()
    options = ["--serve.replicas", "2", "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", "afa_ray.serve", *models, *options],
        env=os.environ | {"RAY_ADDRESS": node}, stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().startswith("ready: ")
    yield f"http://127.0.0.1:{port}"
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert not processes_of("ServeReplica")


def ask(address: str, path: str, given: Any = None, **headers: str) -> tuple[int, Any]:
    """The status, and what JSON came back."""
    data = given if given is None or isinstance(given, bytes) else json.dumps(given).encode()
    headers = {"Content-Type": "application/json"} | headers
    request = urllib.request.Request(address + path, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_answers_are_the_classifiers(address: str, models: list[str]) -> None:
    assert len(processes_of("ServeReplica")) == 2
    given = {"text": TEXT, "methods": ["attention", "leave_one_out"], "target": "good"}
    for _ in range(8):  # whichever replica it is
        status, found = ask(address, "/api/explain", given)
        assert status == 200
        for model, answer in zip(models, found["explanations"], strict=True):
            (expected,) = afa_ray.load(model).explain([TEXT], given["methods"], "good")
            assert answer["words"] == expected.words
            assert answer["model"] == expected.model
            for name, scores in expected.scores.items():
                assert answer["scores"][name] == pytest.approx(scores, abs=1e-6)


def test_both_work_and_share_nothing(address: str) -> None:
    before = {process.pid: process.cpu_times().user for process in processes_of("ServeReplica")}
    for _ in range(60):
        assert ask(address, "/api/explain", {"text": TEXT, "methods": ["leave_one_out"]})[0] == 200
    worked = {p.pid for p in processes_of("ServeReplica") if p.cpu_times().user > before[p.pid]}
    assert worked == set(before)
    assert len(worked) == 2


@pytest.mark.parametrize(
    ("path", "given", "headers", "status", "complaint"),
    [
        ("/api/explain", {"text": TEXT, "methods": ["x"]}, {}, 422, "no such method"),
        ("/api/explain", b" " * 300_000, {}, 413, "more than 262,144 bytes"),
        ("/api/models", None, {"Host": "elsewhere.org"}, 400, "Invalid host header"),
        ("/../../etc/passwd", None, {}, 404, "Not Found"),
    ],
)
def test_refusals_are_those_of_one_process(
    address: str, path: str, given: Any, headers: dict[str, str], status: int, complaint: str
) -> None:
    found, said = ask(address, path, given, **headers)
    assert found == status
    assert complaint in said


def test_a_replica_that_is_killed_is_replaced(address: str) -> None:
    victim = processes_of("ServeReplica")[0]
    victim.kill()
    waiting = time.monotonic() + 90
    while time.monotonic() < waiting:
        now = {process.pid for process in processes_of("ServeReplica")}
        if len(now) == 2 and victim.pid not in now:
            break
        time.sleep(0.2)
    assert len(now) == 2
    assert victim.pid not in now
    assert ask(address, "/api/predict", {"texts": [TEXT]})[0] == 200


def test_a_cluster_that_serves_already(
    address: str, models: list[str], node: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", node)
    port = ["--port", str(free_port())]
    assert main([*models, "--serve.replicas", "1", *port]) == 2
    assert "this Ray cluster serves something already" in capsys.readouterr().err
    assert main([*models, "--serve.replicas", "9", *port]) == 2
    assert "serve.replicas = 9: each needs a CPU, and the Ray" in capsys.readouterr().err
