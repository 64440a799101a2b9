"""Imports of what is large."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lasting() -> Iterator[None]:
    """What is imported meanwhile, some million objects of torch and transformers, is there to stay:
    the garbage collector does not look through it, neither now nor when Ray and MLflow are
    imported later. That is a quarter of the time that a command takes to start."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()
