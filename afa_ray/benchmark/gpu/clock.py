"""Seconds of what a device does."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from afa_ray.benchmark.step import finish

WARM_UPS = 3


def timed(action: Callable[[], object], device: torch.device, times: int) -> list[float]:
    """Seconds of each of so many calls, each waited for, after `WARM_UPS` that are not counted."""
    wait, seconds = finish(device), []
    for call in range(WARM_UPS + times):
        started = time.perf_counter()
        action()
        wait()
        if call >= WARM_UPS:
            seconds.append(time.perf_counter() - started)
    return seconds
