"""Our dropout is dropout."""

import pytest
import torch

from afa_ray.models.dropout import dropout


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.9])
def test_shares_and_scale(p: float) -> None:
    torch.manual_seed(0)
    x = torch.full((301, 333), 2.0)  # no multiple of four
    y = dropout(x, p, training=True)
    lost = (y == 0).double().mean().item()
    assert abs(lost - p) < 5 * (p * (1 - p) / x.numel()) ** 0.5
    assert y[y > 0].unique().tolist() == pytest.approx([2 / (1 - p)], rel=1e-3)
    assert y.mean().item() == pytest.approx(2, abs=0.05)


def test_neighbours_are_independent() -> None:
    torch.manual_seed(0)
    kept = (dropout(torch.ones(400_000), 0.3, training=True) > 0).double()
    for distance in range(1, 9):  # four elements share a random number
        pairs = (kept[:-distance] * kept[distance:]).mean().item()
        assert pairs == pytest.approx(0.49, abs=0.005), distance


def test_gradients_pass_where_elements_do_and_evaluation_changes_nothing() -> None:
    torch.manual_seed(0)
    x = torch.randn(50, 7, requires_grad=True)
    y = dropout(x, 0.4, training=True)
    y.sum().backward()
    assert torch.allclose(x.grad * x, y)
    assert dropout(x, 0.4, training=False) is x
    assert dropout(x, 0.0, training=True) is x


def test_the_seed_fixes_it() -> None:
    draws = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        draws.append(dropout(torch.ones(64), 0.5, training=True))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
