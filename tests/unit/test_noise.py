"""The mask noise is a pure, uniform function of (seed, step, example)."""

import numpy as np
import torch
from scipy import stats

from afa_ray.noise import mix, seed_generators, stream, uniform

MASK64 = (1 << 64) - 1


def splitmix64_finaliser(x: int) -> int:
    """The published finaliser, in Python integers."""
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK64
    return x ^ (x >> 31)


def test_mix_is_the_splitmix64_finaliser() -> None:
    inputs = [0, 1, 2, 12345678901234567890 & MASK64, MASK64, 1 << 63]
    signed = torch.tensor([x - (1 << 64) if x >> 63 else x for x in inputs])
    outputs = [x & MASK64 for x in mix(signed).tolist()]
    assert outputs == [splitmix64_finaliser(x) for x in inputs]


def test_noise_does_not_depend_on_the_batch() -> None:
    examples = torch.tensor([3, 17, 4, 99])
    together = uniform(7, 5, examples, samples=4, length=30)
    alone = torch.cat([uniform(7, 5, examples[i : i + 1], 4, 30) for i in range(4)])
    assert torch.equal(together, alone)
    assert torch.equal(together[:, :2, :12], uniform(7, 5, examples, samples=2, length=12))


def test_noise_differs_by_seed_step_and_example() -> None:
    one = torch.tensor([0])
    draws = [
        uniform(seed, step, one + example, 2, 8).flatten()
        for seed in range(3)
        for step in range(3)
        for example in range(3)
    ]
    values = torch.cat(draws)
    assert len(values.unique()) > len(values) * 0.999


def test_noise_is_uniform_and_uncorrelated() -> None:
    noise = uniform(0, 1, torch.arange(400), samples=4, length=50)
    flat = noise.flatten().double().numpy()
    assert flat.min() > 0
    assert flat.max() < 1
    assert stats.kstest(flat, "uniform").pvalue > 1e-3
    for axis in range(3):  # neighbours in example, sample and position
        moved = noise.movedim(axis, -1)
        left, right = moved[..., :-1].flatten(), moved[..., 1:].flatten()
        assert abs(np.corrcoef(left, right)[0, 1]) < 0.02


def test_a_stream_is_its_coordinates_mixed_one_by_one() -> None:
    golden, state = 0x9E3779B97F4A7C15, 0
    for coordinate in (7, 0, 3):
        state = splitmix64_finaliser(state ^ ((coordinate + 1) * golden & MASK64))
    assert stream(7, 0, 3) == state >> 1


def test_every_coordinate_of_a_stream_counts_and_so_does_their_order() -> None:
    seeds = {
        stream(a, b, c, d) for a in range(4) for b in range(4) for c in range(4) for d in range(4)
    }
    assert len(seeds) == 256
    assert stream(2**32 - 1, 10**9) < 2**63


def test_seeding_draws_what_torch_would() -> None:
    torch.manual_seed(2**63 - 1)
    expected = torch.rand(5)
    seed_generators(torch.device("cpu"), 2**63 - 1)
    assert torch.equal(torch.rand(5), expected)
