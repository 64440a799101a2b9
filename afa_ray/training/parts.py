"""A mini-batch on its way through an update: on the device, and in parts where memory is short."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from afa_ray.data.batches import Batch
from afa_ray.training.optimisation import by_rows

Precision = Literal["auto", "float32", "bfloat16"]
Wrap = Callable[[nn.Module], nn.Module]


class Part(NamedTuple):
    """A batch, or the part of one that fits into memory, on the device; see `Batch`."""

    number: int
    tokens: Tensor
    labels: Tensor
    examples: Tensor
    partners: Tensor | None
    units: Tensor | None
    weight: float


def parts_of(batch: Batch, count: int, device: torch.device) -> list[Part]:
    def send(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(device, non_blocking=True)

    return [
        Part(
            number,
            send(part.tokens),
            send(part.labels),
            send(part.examples),
            None if part.partners is None else send(part.partners),
            None if part.units is None else send(part.units),
            part.weight,
        )
        for number, part in enumerate(batch.parts(count))
    ]


def autocast(
    device: torch.device, precision: Precision, module: nn.Module | None = None
) -> torch.autocast:
    """A module's products in `train.precision` within; weights stay as they are.

    With `auto` a module that reads one position of a text computes in float32: its products are too
    small to gain what the conversion of its weights costs.
    """
    bf16 = in_bfloat16(device, precision)
    if precision == "auto" and getattr(module, "single_query", False):
        bf16 = False
    return torch.autocast(device.type, torch.bfloat16, enabled=bf16)


def in_bfloat16(device: torch.device, precision: Precision) -> bool:
    """Whether products are computed in bfloat16: with `auto` on GPUs that have it."""
    if precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported()
    return precision == "bfloat16"


def wrapped(module: nn.Module, wrap: Wrap) -> nn.Module:
    """For its own update; what averages gradients has to know beforehand which are sparse."""
    with by_rows(module):
        return wrap(module)
