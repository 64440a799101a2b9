"""Dropout whose random numbers cost less than what they are multiplied with.

On a CPU torch draws each element from a 64-bit number of its own, which for the small products of a
single query is a tenth of a training step; here one such number serves four elements.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LEVELS = 2**16  # of a 16-bit random number


def dropout(x: Tensor, p: float, training: bool) -> Tensor:
    """x with each element 0 with probability `p`, else divided by 1 - p; x itself in evaluation.

    On a CPU `p` is rounded to a multiple of 2^-16.
    """
    if not training or p in (0, 1) or not x.is_cpu:
        return F.dropout(x, p, training)
    lost = min(round(p * LEVELS), LEVELS - 1)
    words = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device)
    words.random_(-(2**63), None)
    kept = words.view(torch.int16)[: x.numel()].view(x.shape) >= lost - LEVELS // 2
    return x * kept.to(x.dtype).mul_(LEVELS / (LEVELS - lost))
