"""Servers that the tests of this folder share, and short training runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from afa_ray import train as train_module
from afa_ray.config import Settings
from afa_ray.records import mlflow_database
from tests.conftest import with_values
from tests.tracking.helpers import Server


@pytest.fixture(scope="session")
def _servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    folders = [tmp_path_factory.mktemp("server") for _ in range(2)]
    for folder in folders:  # with tables that are there already, the server is there sooner
        mlflow_database._make(f"sqlite:///{folder}/server.db", "mlflow-artifacts:/")
    servers = [Server(folder) for folder in folders]
    yield servers
    for server in servers:
        server.stop()


@pytest.fixture
def server(_servers: list[Server]) -> Server:
    _servers[0].start()
    return _servers[0]


@pytest.fixture
def other_server(_servers: list[Server]) -> Server:
    _servers[1].start()
    return _servers[1]


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URI of a sqlite store, which is made when it is first used."""
    return f"sqlite:///{tmp_path_factory.mktemp('database')}/mlflow.db"


@pytest.fixture
def run(
    on_small_corpus: None,
    tmp_path: Path,
    tiny_settings: Callable[..., Settings],
) -> Callable[[str, str], Path]:
    """Trains two epochs, tracked at a URI in the experiment of that name; returns the folder."""

    def start(uri: str, name: str) -> Path:
        values = {"run.storage": str(tmp_path / "runs"), "run.name": name, "mlflow.uri": uri}
        settings = tiny_settings({"train.epochs": 2, "mlflow.experiment": name})
        train_module.train(with_values(settings, **values))
        return tmp_path / "runs" / name

    return start
