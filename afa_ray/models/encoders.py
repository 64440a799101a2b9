"""What reads a text before attention weighs it: the encoders of Jain and Wallace (2019).

Each maps (B, L, E) embeddings, padded on the right, and (B, L) bool, true at real tokens, to states
(B, L, H), 0 at padding, and a summary (B, H) of each text. Padding changes neither, but for the
rounding of products of another shape (1e-6).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTHS = (1, 3, 5, 7)  # of the convolutions, in tokens


class Lstm(nn.Module):
    """One bidirectional layer, H = 2 size; the summary is the last state of either direction.

    The second direction reads each text from its own end: nothing of padding is read before the
    text, so that batches need not be packed, which on CPUs takes 2.3 times as long.
    """

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.states = 2 * size
        self.forth = nn.LSTM(width, size, batch_first=True)
        self.back = nn.LSTM(width, size, batch_first=True)

    def train(self, mode: bool = True) -> Lstm:
        """Without dropout both modes are one; a GPU derives an LSTM in that of training alone."""
        super().train(mode)
        self.forth.training = self.back.training = True
        return self

    def forward(self, embedded: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        order = _from_the_end(present)
        forth, _ = self.forth(embedded)
        back, _ = self.back(_in_order(embedded, order))
        back = _in_order(back, order)
        last = (present.sum(-1) - 1).clamp_min(0)
        each = torch.arange(len(last), device=last.device)
        summary = torch.cat([forth[each, last], back[:, 0]], -1)
        return torch.cat([forth, back], -1) * present[..., None], summary


class Cnn(nn.Module):
    """Convolutions over 1, 3, 5 and 7 tokens, size / 4 filters each, and ReLU, H = size; the
    summary is the greatest of each filter."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.states = size
        filters = size // len(WIDTHS)
        self.filters = nn.ModuleList(
            nn.Conv1d(width, filters, wide, padding=(wide - 1) // 2) for wide in WIDTHS
        )

    def forward(self, embedded: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        read = (embedded * present[..., None]).transpose(1, 2)
        found = torch.cat([filters(read) for filters in self.filters], 1)
        states = found.transpose(1, 2).relu() * present[..., None]
        return states, states.amax(1)


class Average(nn.Module):
    """tanh(W e + b), each token by itself, H = size; the summary is the mean over real tokens.

    The paper's text has ReLU, its code and AtteFa's MLP have tanh.
    """

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.states = size
        self.project = nn.Linear(width, size)

    def forward(self, embedded: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        states = self.project(embedded).tanh() * present[..., None]
        return states, states.sum(1) / present.sum(-1, keepdim=True).clamp_min(1)


ENCODERS: dict[str, type[Lstm] | type[Cnn] | type[Average]] = {
    "lstm": Lstm,
    "cnn": Cnn,
    "average": Average,
}


def _from_the_end(present: Tensor) -> Tensor:
    """(B, L) columns that turn each text around and leave its padding where it is."""
    column = torch.arange(present.shape[1], device=present.device)
    return torch.where(present, present.sum(-1, keepdim=True) - 1 - column, column)


def _in_order(x: Tensor, order: Tensor) -> Tensor:
    """(B, L, d) x with its columns in the order (B, L)."""
    return x.gather(1, order[..., None].expand(-1, -1, x.shape[-1]))
