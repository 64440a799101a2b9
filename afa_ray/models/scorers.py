"""What attention scores states by, before the softmax: the two scorers of Jain and Wallace (2019).

Each maps states (B, L, H), and where texts are read for something its summary q (B, H), to scores
(B, L).
"""

from __future__ import annotations

import math

from torch import Tensor, nn


class Additive(nn.Module):
    """v . tanh(W h + b), W (H / 2, H); with a query v . tanh(W h + W' q + b)."""

    def __init__(self, size: int, query: bool) -> None:
        super().__init__()
        self.project = nn.Linear(size, size // 2)
        self.for_query = nn.Linear(size, size // 2, bias=False) if query else None
        self.score = nn.Linear(size // 2, 1, bias=False)

    def forward(self, states: Tensor, query: Tensor | None) -> Tensor:
        projected = self.project(states)
        if self.for_query is not None:
            assert query is not None
            projected = projected + self.for_query(query)[:, None]
        return self.score(projected.tanh())[..., 0]


class Dot(nn.Module):
    """w . h / sqrt(H); with a query h . q / sqrt(H)."""

    def __init__(self, size: int, query: bool) -> None:
        super().__init__()
        self.weight = None if query else nn.Linear(size, 1, bias=False)

    def forward(self, states: Tensor, query: Tensor | None) -> Tensor:
        if self.weight is not None:
            scores = self.weight(states)[..., 0]
        else:
            assert query is not None
            scores = (states @ query[..., None])[..., 0]
        return scores / math.sqrt(states.shape[-1])


SCORERS: dict[str, type[Additive] | type[Dot]] = {"additive": Additive, "dot": Dot}
