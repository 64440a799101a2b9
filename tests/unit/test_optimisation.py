"""The learning rate by hand; Adam by rows against Adam."""

from contextlib import nullcontext

import pytest
import torch

from afa_ray.models.updating import adam, by_rows
from afa_ray.training.optimisation import learning_rate_factor


def test_linear_by_hand() -> None:
    factors = [learning_rate_factor(step, 10, "linear", 4) for step in range(11)]
    expected = [0.25, 0.5, 0.75, 1.0, 1.0, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0.0]
    assert factors == pytest.approx(expected)


def test_constant() -> None:
    assert {learning_rate_factor(step, 10, "constant", 0) for step in range(10)} == {1.0}
    assert learning_rate_factor(0, 10, "constant", 2) == 0.5


def test_adam_by_rows_is_adam() -> None:
    """Sparse gradients of a table, with rows that come twice, rest and come again."""
    torch.manual_seed(0)
    ours, textbook = (torch.nn.ModuleDict({"words": torch.nn.Embedding(9, 4)}) for _ in range(2))
    textbook.load_state_dict(ours.state_dict())
    by_row, dense = adam(ours, 0.1), torch.optim.Adam(textbook.parameters(), lr=0.1)
    for ids in ([1, 2, 2], [3], [1, 8, 8, 8], [0], [2, 1]):
        for model, optimizer in ((ours, by_row), (textbook, dense)):
            optimizer.zero_grad()
            with by_rows(model) if model is ours else nullcontext():
                read = model["words"](torch.tensor(ids))
            (read**2).sum().backward()
            assert model["words"].weight.grad.is_sparse == (model is ours)
            optimizer.step()
        assert torch.allclose(ours["words"].weight, textbook["words"].weight, atol=1e-6)
        assert torch.allclose(ours["words"].weight.grad, textbook["words"].weight.grad)
    assert not ours["words"].sparse
    moments = by_row.state_dict()["state"][0]
    assert torch.allclose(moments["exp_avg"], dense.state_dict()["state"][0]["exp_avg"])
