"""Memory that several processes of one machine see, and that grows when they need more."""

from __future__ import annotations

import os

import torch
import torch.distributed as dist
from torch import Tensor


class SharedMemory:
    """Elements of one type, seen by all workers of the default process group.

    It has no name in any folder: it is gone with the last process that sees it, however that ends,
    and the size of /dev/shm, which is small in many containers, does not limit it.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        self._all = torch.empty(0, dtype=dtype)

    def tensor(self, *shape: int) -> Tensor:
        """The first elements, in that shape; every worker calls this with the same one.

        What was there may be lost when memory grows.
        """
        size = torch.Size(shape).numel()
        if size > len(self._all):
            self._all = _open_together(size + size // 4, self._all.dtype)
        return self._all[:size].view(shape)


def can_share_memory() -> bool:
    return hasattr(os, "memfd_create")  # Linux


def _open_together(size: int, dtype: torch.dtype) -> Tensor:
    """(size,) new memory, made by worker 0 and opened by all of them."""
    file, place = -1, [""]
    if dist.get_rank() == 0:
        file = os.memfd_create("afa_ray")
        os.truncate(file, size * dtype.itemsize)
        place = [f"/proc/{os.getpid()}/fd/{file}"]
    dist.broadcast_object_list(place)
    memory = torch.from_file(place[0], shared=True, size=size, dtype=dtype)
    dist.barrier()
    if file >= 0:
        os.close(file)  # open everywhere: it needs no place any more
    return memory
