"""A Ray cluster that is gone is noticed at once."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from afa_ray.errors import UserError
from afa_ray.train import main
from afa_ray.training import ray_address
from afa_ray.training.ray_address import require_cluster
from tests.conftest import free_port


@pytest.fixture(autouse=True)
def _nothing_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setattr("ray.is_initialized", lambda: False)


@pytest.fixture
def silent() -> Iterator[int]:
    """A port where somebody listens who never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_a_cluster_that_is_gone(
    scheme: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    address = f"{scheme}127.0.0.1:{free_port()}"
    monkeypatch.setenv("RAY_ADDRESS", address)
    started = time.monotonic()
    assert main(["--run.storage", str(tmp_path / "runs"), "--train.num_workers", "1"]) == 2
    assert time.monotonic() - started < 10
    output = capsys.readouterr()
    assert f"RAY_ADDRESS = {address}: no Ray cluster answers there" in output.err
    assert "RAY_ADDRESS=local" in output.err
    assert "preparing" not in output.out  # before any work
    assert not (tmp_path / "runs").exists()


def test_something_else_at_its_port(silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_address, "ANSWER_S", 0.5)
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{silent}")
    with pytest.raises(UserError, match="something listens, and is silent"):
        require_cluster()


def test_the_last_start_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    require_cluster()
    (tmp_path / "ray").mkdir()
    file = tmp_path / "ray" / "ray_current_cluster"
    file.write_text(f"127.0.0.1:{free_port()}")
    for address in ("", "auto"):
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(UserError, match=f"{file} = 127.*no Ray cluster answers"):
            require_cluster()
    monkeypatch.setenv("RAY_ADDRESS", "local")
    require_cluster()


@pytest.mark.parametrize(
    ("address", "said"),
    [("http://127.0.0.1:8265", "http:// is for ray job submit"), ("head", "must be HOST:PORT"),
     ("head:x", "must be HOST:PORT"), ("nowhere.invalid:6379", "no Ray cluster answers")],
)  # fmt: skip
def test_addresses_that_cannot_be(address: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(UserError, match=said):
        require_cluster()


def test_one_that_speaks_grpc_is_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    from concurrent.futures import ThreadPoolExecutor

    import grpc

    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
    require_cluster()
    server.stop(None)
