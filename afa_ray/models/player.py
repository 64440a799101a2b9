"""What both players are: modules that are made from a configuration, with fresh weights."""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers import initialization as init


class Player(nn.Module):
    """A module of the parts that `make_parts` makes for its configuration."""

    positions: nn.Embedding

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.make_parts()
        self.apply(self._init_weights)

    def make_parts(self) -> None:
        raise NotImplementedError

    def _init_weights(self, module: nn.Module) -> None:
        std = self.config.initializer_range
        initialise(module, std)
        if module is self.positions:  # quieter, so that words are heard above them
            init.normal_(self.positions.weight, std=std / 10)


def initialise(module: nn.Module, std: float) -> None:
    """Draw a module's own weights as transformers does for its models."""
    if isinstance(module, nn.Linear | nn.Embedding):
        init.normal_(module.weight, std=std)
    if isinstance(module, nn.Linear) and module.bias is not None:
        init.zeros_(module.bias)
    if isinstance(module, nn.LayerNorm):
        init.ones_(module.weight)
        init.zeros_(module.bias)
    if isinstance(module, nn.MultiheadAttention):
        module._reset_parameters()
