"""Checkpoints: everything a run needs to continue as if it had not stopped.

A folder of safetensors and JSON, never pickled objects: the players' weights, Adam's moments,
the best Target so far, `progress.json` with the position in the data, the data's fingerprints,
settings and versions, and a manifest with the digests of all these (manifest.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from afa_ray.config import Settings
from afa_ray.dotted import flatten
from afa_ray.errors import UserError, first_line
from afa_ray.json_files import read_object
from afa_ray.models.sharding import like, named_parameters, whole
from afa_ray.records.manifest import seal
from afa_ray.records.tracking import GameWatch

PROGRESS, AVERAGE = "progress.json", "average.safetensors"
VERSIONS_OF = ("torch", "transformers", "peft", "gymnasium", "gensim", "numpy", "tokenizers")


class Learns(Protocol):
    """What a checkpoint is of: the trained modules and their optimisers by name, and the figures
    since the last logged ones."""

    @property
    def players(self) -> dict[str, nn.Module]: ...
    @property
    def optimizers(self) -> dict[str, torch.optim.Optimizer]: ...

    sums: Tensor


@dataclass
class Progress:
    """Where a run stands.

    `step` updates are done, `batch` of them in epoch number `epoch` (from 0). `best_epoch` is the
    one of the best validation score so far (-1: none yet), with that score and its accuracy,
    `stale` the epochs since, `best_step` the updates up to it.
    `refit_from` is the number of updates after which training on all texts began (-1: not yet).
    `seconds` of training, validation and saving not included, and `tokens` read in them, up to the
    last logged figures; `interval_seconds` since. `written` is how many records each of the run's
    files has.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    best_epoch: int = -1
    best_score: float = 0.0
    best_accuracy: float = -1.0
    stale: int = 0
    best_step: int = 0
    refit_from: int = -1
    finished: bool = False
    seconds: float = 0.0
    tokens: int = 0
    interval_seconds: float = 0.0
    written: dict[str, int] = field(default_factory=dict)
    watch: GameWatch = field(default_factory=GameWatch)


@cache
def versions() -> dict[str, str]:
    """Versions of the libraries that decide what the numbers are, looked for once."""
    from afa_ray import __version__

    installed = [name for name in VERSIONS_OF if find_spec(name) is not None]
    return {"afa_ray": __version__, **{name: version(name) for name in installed}}


def collect(
    learner: Learns, *, sums: Tensor, best: dict[str, Tensor]
) -> dict[str, dict[str, Tensor]]:
    """The tensors of a checkpoint by file. Where the Target is sharded, every worker calls this.

    Args:
        sums: `Learner.sums` since the last logged figures, added up over workers.
        best: the best Target's weights.
    """
    optimizers = {"sums": sums}
    for player, optimizer in learner.optimizers.items():
        for name, parameter in named_parameters(learner.players[player]).items():
            for key, value in optimizer.state.get(parameter, {}).items():
                optimizers[f"{player}/{name}/{key}"] = whole(value)
    weights = {name: trained_weights(player) for name, player in learner.players.items()}
    return {**weights, "best": best, "optimizers": optimizers}


def save_checkpoint(
    folder: Path,
    tensors: dict[str, dict[str, Tensor]],
    *,
    progress: Progress,
    settings: Settings,
    fingerprints: dict[str, Any],
) -> None:
    """Write a checkpoint into the empty `folder`; `tensors` are those of `collect`."""
    for name, content_of_file in tensors.items():
        save_file(content_of_file, folder / f"{name}.safetensors")
    content = {
        "progress": asdict(progress),
        "settings": flatten(settings),
        "fingerprints": fingerprints,
        "versions": versions(),
    }
    (folder / PROGRESS).write_text(json.dumps(content, indent=1), encoding="utf-8")
    seal(folder)


def load_checkpoint(folder: Path, learner: Learns, rank: int) -> tuple[dict[str, Tensor], Progress]:
    """Put a whole checkpoint into the learner; returns the best Target's weights and the progress.

    The figures since the last logged ones, those of all workers, go to rank 0.

    Raises:
        UserError: it is that of another version.
    """
    with _opening(folder):
        for player, module in learner.players.items():
            load_trained(module, load_file(folder / f"{player}.safetensors"))
        _load_optimizers(load_file(folder / "optimizers.safetensors"), learner, rank)
        return load_file(folder / "best.safetensors"), read_progress(folder)


def _load_optimizers(tensors: dict[str, Tensor], learner: Learns, rank: int) -> None:
    if rank == 0:
        learner.sums.copy_(tensors["sums"])
    for player, optimizer in learner.optimizers.items():
        for name, parameter in named_parameters(learner.players[player]).items():
            prefix = f"{player}/{name}/"
            saved = {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
            if saved:
                optimizer.state[parameter] = {
                    key: value.to(parameter.device) if key == "step" else like(value, parameter)
                    for key, value in saved.items()
                }


def read_progress(folder: Path) -> Progress:
    with _opening(folder):
        content = _about(folder)["progress"]
        return Progress(**{**content, "watch": GameWatch(**content["watch"])})


def read_fingerprints_of(folder: Path) -> dict[str, Any]:
    """The fingerprints of a checkpoint's data."""
    return dict(_about(folder).get("fingerprints", {}))


def _about(folder: Path) -> dict[str, Any]:
    return read_object(folder / PROGRESS) or {}


@contextmanager
def _opening(folder: Path) -> Iterator[None]:
    """A whole checkpoint that does not fit is of another version."""
    try:
        yield
    except (SafetensorError, AssertionError, KeyError, TypeError, OSError) as error:
        raise UserError(
            f"{folder} is not a checkpoint of this version ({first_line(error)}): continue the run "
            "with the version that began it, or choose another run.name"
        ) from error


def checkpoint_name(progress: Progress) -> str:
    """Folder names sort as the training went."""
    return f"checkpoint_{progress.epoch:04d}_{progress.step:08d}"


def trained_weights(module: nn.Module) -> dict[str, Tensor]:
    """A copy on the CPU of all weights that are trained; the others are as they were loaded.

    Where the module is sharded, every worker calls this, and worker 0 alone gets the weights.
    """
    parameters = named_parameters(module)
    return {name: whole(p) for name, p in parameters.items() if p.requires_grad}


@torch.no_grad()
def load_trained(module: nn.Module, weights: dict[str, Tensor]) -> None:
    """Put `trained_weights` back."""
    parameters = {n: p for n, p in named_parameters(module).items() if p.requires_grad}
    assert parameters.keys() == weights.keys()
    for name, parameter in parameters.items():
        parameter.copy_(like(weights[name], parameter))
