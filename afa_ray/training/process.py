"""A process that trains: its threads, its kernels and its memory."""

from __future__ import annotations

import ctypes
import os
import sys

import torch

from afa_ray.config import Settings


def usable_cores() -> int:
    """Processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def prepare_process(settings: Settings, threads: int) -> None:
    """Threads, determinism, and memory that stays with the process once it has been touched.

    Blocks of tens of megabytes, such as a batch's embeddings, come and go with every update. By
    default glibc hands them back to the kernel, and much of an update's time is page faults.
    """
    torch.set_num_threads(threads)
    if settings.train.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            m_trim_threshold, m_mmap_threshold, largest = -1, -3, 2**31 - 1
            libc.mallopt(m_mmap_threshold, 2**30)
            libc.mallopt(m_trim_threshold, largest)
