"""A real local Ray cluster for the tests of this folder."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

from afa_ray.training.ray_run import OUR_OWN, QUIET
from tests.conftest import free_port
from tests.ray.nursery import ADDRESS, NODE, RARELY, nursery


@pytest.fixture(scope="session")
def warm() -> Iterator[dict[str, Any]]:
    """What nodes are started with whose workers are quickly there; see `nursery`."""
    with (
        tempfile.TemporaryDirectory(prefix="afa", dir="/tmp") as folder,
        nursery(folder) as address,
    ):
        os.environ[ADDRESS] = address
        yield NODE


@pytest.fixture(scope="session")
def node(warm: dict[str, Any]) -> Iterator[str]:
    """The address of a node with two CPUs on this machine, on loopback, in a folder where only
    those look for it that are told; stopped when all tests are done."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (QUIET | OUR_OWN | RARELY).items():
            if name not in os.environ:
                patch.setenv(name, value)
        from ray.cluster_utils import Cluster

        folder = tempfile.mkdtemp(prefix="afa", dir="/tmp")  # short: it holds Unix sockets
        head = {"num_cpus": 2, "include_dashboard": False, "dashboard_port": free_port(), **warm}
        with pytest.MonkeyPatch.context() as elsewhere:
            elsewhere.setenv("RAY_TMPDIR", folder)
            cluster = Cluster(True, head_node_args=head)
        yield cluster.address
        cluster.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def cluster(node: str) -> Iterator[None]:
    """Connected to that node while the tests of a file run."""
    import ray

    ray.init(node, logging_level=logging.ERROR, log_to_driver=False)
    yield
    ray.shutdown()
