"""Counter-based random numbers: a pure function of (seed, step, example), whatever the batch.

The masks of an example must not depend on how a batch is split over workers, nor on what was drawn
before; so its noise is hashed from its coordinates, with the SplitMix64 finaliser (Steele, Lea and
Flood, OOPSLA 2014), instead of being drawn from a generator with a state.
"""

from __future__ import annotations

import torch
from torch import Tensor

_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)  # the constants as signed 64-bit integers
_MIX1 = 0xBF58476D1CE4E5B9 - (1 << 64)
_MIX2 = 0x94D049BB133111EB - (1 << 64)


def _shift(x: Tensor, bits: int) -> Tensor:
    """Logical right shift of int64."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def mix(x: Tensor) -> Tensor:
    """SplitMix64's finaliser: a bijection of int64 that scatters neighbouring inputs."""
    x = (x ^ _shift(x, 30)) * _MIX1
    x = (x ^ _shift(x, 27)) * _MIX2
    return x ^ _shift(x, 31)


def uniform(seed: int, step: int, examples: Tensor, samples: int, length: int) -> Tensor:
    """Independent uniform numbers in the open interval (0, 1) for each example, sample, position.

    Args:
        seed, step: any integers.
        examples: (B,) int64, the examples' numbers in the corpus.
        samples: M; length: L. A number does not depend on M, L or the other examples.

    Returns:
        (B, M, L) float32: (n + 1/2) / 2^23 for a uniform integer n.
    """
    device = examples.device
    state = mix(examples.new_full((), seed) * _GOLDEN)
    state = mix(state + step * 2 + 1)
    state = mix(state ^ (examples + 1) * _GOLDEN)  # (B,)
    state = mix(state[:, None] + torch.arange(1, samples + 1, device=device) * _MIX1)  # (B, M)
    state = mix(state[..., None] + torch.arange(1, length + 1, device=device) * _GOLDEN)
    return (_shift(state, 41).float() + 0.5) * 2.0**-23


def stream(*coordinates: int) -> int:
    """A 63-bit seed for a generator whose draws are to belong to these coordinates, at least 0.

    Dropout draws from PyTorch's generator; seeded so before each forward pass, it is a function of
    where a run stands, and not of what was drawn before.
    """
    state = 0
    for coordinate in coordinates:
        state = (state ^ (coordinate + 1) * _GOLDEN) % 2**64
        state = (state ^ (state >> 30)) * _MIX1 % 2**64
        state = (state ^ (state >> 27)) * _MIX2 % 2**64
        state ^= state >> 31
    return state >> 1


def seed_generators(device: torch.device, seed: int) -> None:
    """Seed PyTorch's generators of the CPU and of that device.

    As `torch.manual_seed`, which also formats the stack for each kind of device that nothing has
    used yet: .1 to .3 ms, for every forward pass.
    """
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)
