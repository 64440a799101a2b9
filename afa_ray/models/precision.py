"""What a module's products are computed in."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

Precision = Literal["auto", "float32", "bfloat16"]


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
