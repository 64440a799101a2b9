"""Where the workers of a cluster on loopback meet: at a file.

By default the first of Ray Train's workers opens a store of torch's for the others, which listens
to the whole network and asks for nothing.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.train.torch import TorchConfig
from ray.train.torch.config import (
    _set_torch_distributed_env_vars,
    _setup_torch_process_group,
    _TorchBackend,
)

LOCALHOST = "127.0.0.1"


@contextmanager
def meeting() -> Iterator[TorchConfig | None]:
    """How the workers of the connected cluster meet while they train; None: as Ray Train has it."""
    if ray.util.get_node_ip_address() != LOCALHOST:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="afa-meeting-") as folder:
        yield MeetByFile(folder=folder)


@dataclass
class MeetByFile(TorchConfig):
    """Ray Train's settings of torch's process group, with a new file in a `folder` of this machine
    for each group of workers."""

    folder: str = ""

    @property
    def backend_cls(self) -> type[_TorchBackend]:
        return _ByFile


class _ByFile(_TorchBackend):
    def on_start(self, worker_group: Any, backend_config: Any) -> None:
        """Have all workers join. They come back to the file for groups of some of them."""
        gpus = worker_group.get_resources_per_worker().get("GPU", 0)
        file = Path(backend_config.folder) / uuid.uuid4().hex
        worker_group.execute(_on_loopback)
        worker_group.execute(_set_torch_distributed_env_vars)
        count = len(worker_group)
        joining = [
            worker_group.execute_single_async(
                rank,
                _setup_torch_process_group,
                backend="nccl" if gpus else "gloo",
                world_rank=rank,
                world_size=count,
                init_method=file.as_uri(),
                timeout_s=backend_config.timeout_s,
            )
            for rank in range(count)
        ]
        ray.get(joining)


def _on_loopback() -> None:
    """What workers say to each other stays on this machine."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    os.environ.setdefault("NCCL_SOCKET_IFNAME", "lo")
