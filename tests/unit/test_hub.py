"""A hub that cannot be reached is noticed at once, and said with what to do."""

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from afa_ray import hub
from afa_ray.hub import hub_is_away
from afa_ray.train import main
from tests.conftest import free_port


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """The hub is at an address, and everything that knew of it before is forgotten, and again."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HF_HUB_OFFLINE"):
        for variable in (name, name.upper()):
            monkeypatch.setenv(variable, "")
            monkeypatch.delenv(variable)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    hub_is_away.cache_clear()
    yield lambda endpoint: monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    hub_is_away.cache_clear()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--target.name", "nosuch/model"], ("target.name = nosuch/model", "--local-dir")),
        (["--data.name", "imdb"], ("Cannot read imdb", "AFA_DATA_DIR")),
    ],
)
def test_an_id_on_a_hub_that_is_away(
    given: list[str],
    said: tuple[str, str],
    at: Callable[[str], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.delenv("AFA_DATA_DIR", raising=False)
    endpoint = f"http://127.0.0.1:{free_port()}"
    at(endpoint)
    started = time.monotonic()
    storage = ["--run.storage", str(tmp_path / "runs"), "--train.num_workers", "0"]
    assert main([*storage, *given]) == 2
    assert time.monotonic() - started < 10
    message = capsys.readouterr().err
    assert all(words in message for words in said)
    assert endpoint in message
    assert "Connection refused" in message
    assert not (tmp_path / "runs").exists()


def test_names_and_connections_that_take_for_ever(
    at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "PATIENCE_S", -0.5)
    monkeypatch.setattr(socket, "create_connection", lambda *_: time.sleep(600))
    at("https://hub.invalid")
    started = time.monotonic()
    assert hub_is_away().startswith("https://hub.invalid: no answer within")
    assert time.monotonic() - started < 3
    assert constants.is_offline_mode()


def test_a_hub_that_is_there_also_behind_a_proxy(
    at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = f"127.0.0.1:{server.getsockname()[1]}"
        at(f"http://{place}")
        assert hub_is_away() == ""
        hub_is_away.cache_clear()
        at("https://hub.invalid")
        monkeypatch.setenv("https_proxy", f"http://me:secret@{place}")
        assert hub_is_away() == ""
    assert not constants.is_offline_mode()
