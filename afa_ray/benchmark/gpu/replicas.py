"""Two processes, each with half of a batch, end up with the gradients of one that has all of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.multiprocessing import ProcessRaisedException

from afa_ray.benchmark.gpu.checks import Check, Found
from afa_ray.benchmark.gpu.options import GpuSettings, sized
from afa_ray.benchmark.gpu.same import (
    METHODS,
    TOLERANCE,
    largest_difference,
    state_of,
)
from afa_ray.benchmark.step import make_learner, random_batches
from afa_ray.dotted import override
from afa_ray.training.replicas import replicated

WORKERS = 2
TEXTS, LENGTH = 16, 24


def checks(settings: GpuSettings) -> Iterator[Check]:
    settings = override(sized(settings), {"target.dropout": 0.0, "train.precision": "float32"})
    yield "two processes beside one", lambda: compare(settings)


def compare(settings: GpuSettings) -> Found:
    """The error of the Target's gradients by method, averaged over two halves of a batch.

    Nothing may touch a GPU before the processes are forked.
    """
    gpus = torch.cuda.device_count()
    if 0 < gpus < WORKERS:
        return Found({"not run": "nccl wants a GPU for each process, and there is one"})
    with tempfile.TemporaryDirectory(prefix="afa_replicas_") as folder:
        arguments = (settings, gpus > 0, folder)
        try:
            torch.multiprocessing.start_processes(
                _train_half, arguments, WORKERS, start_method="fork"
            )
        except ProcessRaisedException as error:  # its first lines are a traceback
            raise RuntimeError(str(error).strip().splitlines()[-1]) from error
        halves = {method: load_file(Path(folder) / method) for method in METHODS}
    errors = {}
    for method, change in METHODS.items():
        learner = make_learner(change(settings), _device(gpus > 0, 0))
        learner.update(random_batches(change(settings), f"{TEXTS}x{LENGTH}", 0, 1)[0], 0)
        errors[method] = largest_difference(halves[method], state_of(learner).gradients)
    return Found(dict(errors), max(errors.values()) <= TOLERANCE["float32"])


def _device(on_gpu: bool, number: int) -> torch.device:
    return torch.device("cuda", number) if on_gpu else torch.device("cpu")


def _train_half(rank: int, settings: GpuSettings, on_gpu: bool, folder: str) -> None:
    """One update of every method, by one of the processes; rank 0 leaves its gradients."""
    torch.set_num_threads(1)
    device = _device(on_gpu, rank)
    if on_gpu:
        torch.cuda.set_device(device)
    dist.init_process_group(
        "nccl" if on_gpu else "gloo", f"file://{folder}/meeting", rank=rank, world_size=WORKERS
    )
    for method, change in METHODS.items():
        gradients = _gradients_of_half(change(settings), device, rank)
        if rank == 0:
            save_file(gradients, Path(folder) / method)
    dist.barrier()  # both have all of it: nothing of the group is in use any more
    dist.destroy_process_group()
    os._exit(0)  # gloo's threads now and then abort a process that ends slowly


def _gradients_of_half(settings: GpuSettings, device: torch.device, rank: int) -> dict[str, Tensor]:
    learner = make_learner(
        settings,
        device,
        lambda module: replicated(module, device, one_machine=True),
        rank=rank,
        add_up=dist.all_reduce,
    )
    batch = random_batches(settings, f"{TEXTS}x{LENGTH}", 0, 1)[0]
    learner.update(replace(batch.parts(WORKERS)[rank], weight=1.0), 0)
    return state_of(learner).gradients
