"""Where a worker runs: what it needs from its surroundings, and the surroundings without Ray."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from afa_ray.errors import UserError
from afa_ray.records.manifest import drop_others


@dataclass(frozen=True)
class Session:
    """One worker's surroundings.

    Attributes:
        rank, workers: this worker's number, and how many there are.
        device: where it computes.
        wrap: makes a module average its gradients over workers.
        sharded: whether `wrap` spreads the Target over the workers, moving it to their devices.
        add_up: sums a tensor over workers, in place.
        save: `save(name, figures, write)` keeps a checkpoint as folder `name` of the run, which
            rank 0 fills with `write(folder)`; every worker calls it equally often.
    """

    rank: int
    workers: int
    device: torch.device
    wrap: Callable[[nn.Module], nn.Module]
    add_up: Callable[[Tensor], object]
    save: Callable[[str, dict[str, float], Callable[[Path], None]], None]
    sharded: bool = False


def pick_device(use_gpu: bool | None) -> torch.device:
    """A GPU where there is one and it is not declined, else the CPU.

    Raises:
        UserError: a GPU was asked for and there is none.
    """
    if use_gpu and not torch.cuda.is_available():
        raise UserError(
            "train.use_gpu = true: PyTorch sees no GPU on this machine; leave the setting out"
        )
    return torch.device("cuda" if use_gpu is not False and torch.cuda.is_available() else "cpu")


def write_checkpoint(folder: Path, write: Callable[[Path], None]) -> None:
    """Have `write` fill a folder, which is there under its name only when it is whole; of the
    run's other checkpoints the one before is kept."""
    with tempfile.TemporaryDirectory(prefix=".checkpoint_", dir=folder.parent) as unfinished:
        whole = Path(unfinished) / folder.name
        whole.mkdir()
        write(whole)
        shutil.rmtree(folder, ignore_errors=True)  # what a lost worker left of it
        whole.replace(folder)
    drop_others(folder.parent, folder)


def local_session(run: Path, device: torch.device) -> Session:
    """A single worker in this process."""

    def save(name: str, figures: dict[str, float], write: Callable[[Path], None]) -> None:
        write_checkpoint(run / name, write)

    return Session(
        rank=0,
        workers=1,
        device=device,
        wrap=lambda module: module,
        add_up=lambda tensor: tensor,
        save=save,
    )
