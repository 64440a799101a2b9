"""A real local Ray cluster for the tests of this folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest

from afa_ray.training.ray_run import OUR_OWN, QUIET


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Two CPUs on this machine, on loopback; stopped afterwards."""
    for name, value in (QUIET | OUR_OWN).items():
        os.environ.setdefault(name, value)
    import ray

    quiet = {"logging_level": logging.ERROR, "log_to_driver": False, "include_dashboard": False}
    ray.init(num_cpus=2, **quiet)
    yield
    ray.shutdown()
