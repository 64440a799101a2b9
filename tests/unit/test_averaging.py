"""The average of weights: its formula, and that it is put in and taken out."""

import torch
from torch import nn

from afa_ray.training.averaging import EVERY, Average


def test_the_average_is_exponential_and_starts_at_the_start() -> None:
    module = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        module.weight.fill_(1.0)
        average = Average(module, updates=10)
        expected = 1.0
        for step in range(1, 13):
            module.weight.fill_(float(step))
            average.follow(step)
            if step % EVERY == 0:
                kept = 0.9**EVERY
                expected = kept * expected + (1 - kept) * step
    assert torch.allclose(average.weights["weight"], torch.tensor(expected))


def test_within_the_module_is_the_average_and_afterwards_itself() -> None:
    module = nn.Linear(2, 2)
    own = module.weight.detach().clone()
    average = Average(module, updates=5)
    average.load({name: torch.full_like(w, 7.0) for name, w in average.weights.items()})
    try:
        with average.applied():
            assert (module.weight == 7).all()
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert torch.equal(module.weight, own)


def test_weights_that_are_not_trained_are_left_out() -> None:
    module = nn.Linear(2, 2)
    module.bias.requires_grad_(False)
    assert list(Average(module, updates=5).weights) == ["weight"]
