"""The trial of ways: its gates, its teachers and its reading head, on a tiny BERT."""

import pytest
import torch
from torch import Tensor

from afa_ray.data.parts import Part
from afa_ray.explainers import scores
from afa_ray.explainers.interface import text_tokens
from afa_ray.models.interface import Inputs, TargetOutput
from afa_ray.models.pretrained import PretrainedTarget
from studies.faithful.ways.gates import layers_ig, rolled, value_norm
from studies.faithful.ways.head import HeadTarget, with_head
from studies.faithful.ways.teachers import Taught, by_copies, by_gates
from tests.families import PAD, tiny
from tests.unit.test_explainers import batch, special


def inputs_of(ids: Tensor, mask: Tensor) -> Inputs:
    return Inputs(ids, mask.bool(), special=special(mask).bool())


def part_of(ids: Tensor) -> Part:
    labels = torch.arange(len(ids)) % 3
    return Part(0, ids, labels, torch.arange(len(ids)), None, None, 1.0, None, None)


def test_gates_of_all_layers_are_the_explainers_and_of_the_last_are_attention_ig() -> None:
    model, (ids, mask) = PretrainedTarget(tiny("bert")).eval(), batch("bert")
    inputs, classes = inputs_of(ids, mask), torch.zeros(len(ids), dtype=torch.int64)
    text, n = text_tokens(model, inputs), int(mask[1].sum())
    for last, method in ((2, "layers_ig"), (1, "attention_ig")):
        theirs = scores(model, ids, mask, method, 0, special_tokens_mask=special(mask))
        ours = layers_ig(last, 3)(model, inputs, classes) * text
        assert torch.allclose(ours, theirs, atol=1e-5, rtol=1e-3)
    for reading in (value_norm, rolled(by_gradient=True), rolled(by_gradient=False)):
        found = reading(model, inputs, classes)
        alone = reading(model, inputs_of(ids[1:2, :n], mask[1:2, :n]), classes[:1])
        assert torch.allclose(found[1, :n], alone[0], atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("teacher", [by_gates, by_copies])
def test_a_teacher_says_what_tokens_are_worth(teacher: object) -> None:
    model, (ids, mask) = PretrainedTarget(tiny("bert")).eval(), batch("bert")
    ids, text = ids.masked_fill(mask == 0, PAD), special(mask) == 0
    worth, where = teacher(model, part_of(ids), text, 0)  # type: ignore[operator]
    assert (worth >= 0).all()
    assert worth[~where].abs().sum() == 0
    assert not (where & ~text).any()
    assert (worth[0] > 0).any()


def test_a_row_that_is_as_taught_costs_nothing() -> None:
    taught = object.__new__(Taught)
    where = torch.tensor([[False, True, True, False]])
    row = torch.tensor([[0.5, 0.1, 0.3, 0.1]])  # 1 : 3 over the text
    output = TargetOutput(attention_row=row)
    part = part_of(torch.ones(1, 4, dtype=torch.int64))
    loss, _ = taught.loss(part, (torch.tensor([[0, 2.0, 6.0, 0]]), where), output)
    assert float(loss) == pytest.approx(0, abs=1e-6)
    loss, _ = taught.loss(part, (torch.tensor([[0, 1.0, 0.0, 0]]), where), output)
    assert float(loss) == pytest.approx(1.3862944)  # -log 1/4


@pytest.mark.parametrize("alone", [True, False])
def test_a_reading_heads_row_is_over_the_words(alone: bool) -> None:
    model, (ids, mask) = (
        with_head(alone=alone)(PretrainedTarget(tiny("bert"))).eval(),
        batch("bert"),
    )
    assert isinstance(model, HeadTarget)
    output = model(ids, attention_mask=mask)
    row = output.attention_row
    assert torch.allclose(row.sum(1)[:2], torch.ones(2))
    assert (row[:, 0] == 0).all()
    assert (row[mask == 0] == 0).all()
    n = int(mask[1].sum())
    short = model(ids[1:2, :n], attention_mask=mask[1:2, :n])
    assert torch.allclose(short.logits, output.logits[1:2], atol=1e-5)
    assert torch.allclose(short.attention_row[0], row[1, :n], atol=1e-5)
    output.logits.sum().backward()
    assert model.model.reading_head.query.weight.grad.abs().sum() > 0
