"""Taking a token's attention away in place is reading again by the row that is left."""

import pytest
import torch

from afa_ray.models.in_place import read
from afa_ray.models.interface import Inputs
from tests.unit.test_models import small_target

TOKENS = torch.tensor([[2, 7, 8, 9, 7, 3], [2, 11, 12, 3, 0, 0]])
TEXTS, PLACES = torch.tensor([0, 0, 1, 1]), torch.tensor([1, 5, 2, 0])


@pytest.mark.parametrize("even", [False, True])
@pytest.mark.parametrize("hops", [1, 2])
@torch.no_grad()
def test_as_by_the_row_that_is_left(hops: int, even: bool) -> None:
    target = small_target(hops=hops).eval()
    reading = read(target, TOKENS)
    output = target(TOKENS)
    torch.testing.assert_close(reading.logits, output.logits)
    torch.testing.assert_close(reading.row, output.attention_row)
    moved = reading.moved(TEXTS, PLACES, even)
    for number, (text, place) in enumerate(zip(TEXTS.tolist(), PLACES.tolist(), strict=True)):
        row = reading.rows[text].clone()
        share = 1 / (TOKENS[text] != 0).sum() if even else torch.tensor(0.0)
        row *= (1 - share) / (1 - row[:, place : place + 1])
        row[:, place] = share
        inputs = Inputs(TOKENS[text : text + 1], TOKENS[text : text + 1] != 0)
        again = target.decide(target.embed(inputs), inputs, row[None])
        torch.testing.assert_close(moved[number], again.logits[0], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_head_that_saw_nothing_else_sees_all_others_alike() -> None:
    target = small_target().eval()
    reading = read(target, TOKENS)
    reading.rows[0] = 0
    reading.rows[0, :, 2] = 1
    reading.attended.context[0] = reading.inputs[0, 2]
    (moved,) = reading.moved(torch.tensor([0]), torch.tensor([2]))
    row = torch.full((1, 6), 1 / 5)
    row[0, 2] = 0
    inputs = Inputs(TOKENS[:1], TOKENS[:1] != 0)
    again = target.decide(target.embed(inputs), inputs, row)
    torch.testing.assert_close(moved, again.logits[0], atol=1e-5, rtol=1e-5)
