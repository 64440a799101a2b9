"""How much memory training takes, estimated from sizes alone."""

from __future__ import annotations

from dataclasses import dataclass, fields

from torch import nn
from transformers import PretrainedConfig

FEED_FORWARD = ("intermediate_size", "n_inner", "hidden_dim", "ffn_dim", "d_inner")


@dataclass(frozen=True)
class Memory:
    """Bytes that one worker needs.

    `weights`, `gradients` and `adam` (two moments a weight) are exact; only trainable weights have
    the last two. `activations`, what the backward pass keeps, is an estimate.
    """

    weights: float
    gradients: float
    adam: float
    activations: float

    @property
    def total(self) -> float:
        return sum(getattr(self, part.name) for part in fields(self))


def parameter_memory(player: nn.Module, shards: int = 1) -> Memory:
    """Of a player's parameters, spread over `shards` workers."""
    weights = trained = 0
    for parameter in player.parameters():
        size = parameter.numel() * parameter.element_size()
        weights += size
        trained += size * parameter.requires_grad
    return Memory(weights / shards, trained / shards, 2 * trained / shards, 0)


def activation_memory(
    config: PretrainedConfig, positions: int, number_bytes: int, checkpointing: bool
) -> float:
    """Bytes that a Transformer's backward pass keeps, roughly.

    Of each position a layer of width h and feed-forward width f keeps 8 h + 3 f numbers (inputs of
    norms and projections, queries, keys, values; attention weights are not kept, but by families
    in eager mode). With gradient checkpointing it keeps its input, h, and one layer at a time all
    of it.

    Args:
        positions: texts times length of the longest batch that is read at once.
        number_bytes: 4 in float32, 2 in bfloat16.
    """
    width, layers = config.hidden_size, config.num_hidden_layers
    inner = next((f for name in FEED_FORWARD if (f := getattr(config, name, None))), 4 * width)
    layer = 8 * width + 3 * inner
    numbers = layers * width + layer if checkpointing else layers * layer
    return float(positions * numbers * number_bytes)


def add(first: Memory, second: Memory) -> Memory:
    return Memory(*(getattr(first, f.name) + getattr(second, f.name) for f in fields(Memory)))
