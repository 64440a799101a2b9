"""A mini-batch on its way through an update: on the device, and in parts where memory is short."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from afa_ray.data.batches import Batch


class Part(NamedTuple):
    """A batch, or the part of one that fits into memory, on the device; see `Batch`."""

    number: int
    tokens: Tensor
    labels: Tensor
    examples: Tensor
    partners: Tensor | None
    units: Tensor | None
    weight: float
    marks: Tensor | None
    query: Tensor | None
    human: Tensor | None = None


def parts_of(batch: Batch, count: int, device: torch.device) -> list[Part]:
    def send(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(device, non_blocking=True)

    def send_any(array: np.ndarray | None) -> Tensor | None:
        return None if array is None else send(array)

    return [
        Part(
            number=number,
            tokens=send(part.tokens),
            labels=send(part.labels),
            examples=send(part.examples),
            partners=send_any(part.partners),
            units=send_any(part.units),
            weight=part.weight,
            marks=send_any(part.marks),
            query=send_any(part.query),
            human=send_any(part.human),
        )
        for number, part in enumerate(batch.parts(count))
    ]
