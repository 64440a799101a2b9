"""Relevance through any model, function by function, with autograd carrying it.

Within `rules(...)` each function of PyTorch that a tensor with a gradient enters is done by a rule:
it computes the same number, and what comes back through it is its rule's. Shapes, indices and sums
of what was used twice are autograd's own. Two sets of rules:

- `LRP`: what comes back is relevance (Chefer et al., CVPR 2021, alpha = 1), to be started with the
  one-hot class. A tensor used twice has the sum of its relevances, which is their rule for clones.
- `Attn` and `CP`: what comes back is a gradient, of a model whose deviations in norms and, for CP,
  attention weights are constants, whose activations act as factors and whose products are shared
  in halves (Achtibat et al. 2024; Ali et al. 2022 for CP). Relevance is gradient times input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from afa_ray.explainers import lrp
from afa_ray.explainers.interface import CannotExplainError

Rule = Callable[..., Tensor]

ACTIVATIONS = ("transformers.activations", "torch.nn.modules.activation")
SHAPES = frozenset(
    "view reshape transpose permute contiguous chunk split unbind cat stack repeat repeat_interleave"
    " expand expand_as unsqueeze squeeze flatten unflatten clone to float type neg size dim gather"
    " dropout __getitem__ __get__ __len__ requires_grad_ numel stride is_contiguous view_as select"
    .split()
)  # fmt: skip
"""Functions that move numbers: autograd's way with them is the rule."""
