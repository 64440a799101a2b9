"""Losses of attention's entropy, by hand and to their ends."""

import math
from typing import Any

import pytest
import torch

from afa_ray.models.interface import TargetOutput
from afa_ray.objectives.entropy import Entropy, OfEntropy, sharpen, spread, towards, towards_people
from afa_ray.objectives.words import Words
from tests.unit.test_wanted import part

TOKENS = [[1, 2, 3, 1], [1, 2, 1, 0]]
ROWS = torch.tensor([[0.5, 0.25, 0.25, 0.0], [0.2, 0.3, 0.5, 0.0]])
H = [1.5 * math.log(2), -(0.2 * math.log(0.2) + 0.3 * math.log(0.3) + 0.5 * math.log(0.5))]


def loss(measure: OfEntropy, rows: torch.Tensor = ROWS, **more: Any) -> tuple[float, float]:
    objective = Entropy(measure, pad_id=0)
    value, found = objective.loss(part(TOKENS, **more), None, TargetOutput(attention_row=rows))
    return value.item(), found["supervised"].item()


def test_by_hand() -> None:
    assert loss(sharpen)[0] == pytest.approx(sum(H) / 2)
    assert loss(spread)[0] == pytest.approx(-sum(H) / 2)
    even = [H[0] / math.log(4), H[1] / math.log(3)]
    wanted = sum((x - 0.6) ** 2 for x in even) / 2
    assert loss(towards(0.6))[0] == pytest.approx(wanted)
    human = torch.tensor([[0.0, 3.0, 3.0, 5.0], [0.0] * 4])  # on an end of the text, too
    people = towards_people(Words((0, 1), pieces=False))
    value, share = loss(people, human=human)
    assert value == pytest.approx((even[0] - math.log(2) / math.log(4)) ** 2)
    assert share == 0.5
    assert loss(people, human=torch.zeros(2, 4)) == (0, 0)


@pytest.mark.parametrize("measure", [spread, sharpen, towards(0.5)])
def test_gradient_is_that_of_finite_differences(measure: OfEntropy) -> None:
    rows = ROWS.clone().requires_grad_()
    texts = part(TOKENS)
    value, _ = Entropy(measure, 0).loss(texts, None, TargetOutput(attention_row=rows))
    value.backward()
    assert rows.grad is not None
    change = torch.zeros(2, 4)
    change[0, 1] = 1e-3
    up, down = loss(measure, ROWS + change)[0], loss(measure, ROWS - change)[0]
    assert rows.grad[0, 1].item() == pytest.approx((up - down) / 2e-3, rel=1e-2)


@pytest.mark.parametrize(("measure", "end"), [(spread, 1.0), (sharpen, 0.0), (towards(0.5), 0.5)])
def test_a_free_row_ends_even_or_sharp_or_in_between(measure: OfEntropy, end: float) -> None:
    scores = torch.tensor([[0.3, 0.1, 0.0, -0.1]], requires_grad=True)
    optimizer = torch.optim.Adam([scores], lr=0.2)
    texts = part([[1, 2, 3, 1]])
    for _ in range(150):
        optimizer.zero_grad()
        row = scores.softmax(-1)
        Entropy(measure, 0).loss(texts, None, TargetOutput(attention_row=row))[0].backward()
        optimizer.step()
    entropy = torch.special.entr(scores.softmax(-1)).sum().item() / math.log(4)
    assert entropy == pytest.approx(end, abs=0.03)
