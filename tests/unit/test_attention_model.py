"""Every classifier embeds, and decides by its own attention or by one that is given."""

import pytest
import torch
from torch import Tensor

from afa_ray.models.interface import AttentionModel, Inputs
from afa_ray.models.pretrained import PretrainedTarget
from tests.families import FAMILIES, PAD, tiny
from tests.unit.test_models import small_target, tokens
from tests.unit.test_pretrained import padded

SINGLE = ("one hop", "two hops")


def model_and_inputs(
    name: str, heads: int = 4, side: str = "right"
) -> tuple[AttentionModel, Inputs]:
    if name in SINGLE:
        return small_target(hops=1 + SINGLE.index(name)), Inputs(tokens(), tokens() != 0)
    ids, mask = padded(side)
    return PretrainedTarget(tiny(name, heads=heads)), Inputs(ids, mask.bool())


def forward(model: AttentionModel, inputs: Inputs) -> tuple[Tensor, Tensor]:
    output = model(inputs.tokens, attention_mask=inputs.present)  # type: ignore[operator]
    return output.logits, output.attention_row


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("name", [*SINGLE, *FAMILIES])
def test_to_embed_and_to_decide_is_to_predict(name: str, side: str) -> None:
    if name in SINGLE and side == "left":
        pytest.skip("a single layer refuses padding on the left")
    model, inputs = model_and_inputs(name, side=side)
    output = model.decide(model.embed(inputs), inputs)
    logits, row = forward(model, inputs)
    assert torch.allclose(output.logits, logits, atol=1e-5)
    assert torch.allclose(output.attention_row, row, atol=1e-6)
    assert torch.allclose(forward(model, inputs)[0], logits)  # nothing is left hooked


@pytest.mark.parametrize("name", FAMILIES)
def test_a_models_own_row_given_back_to_its_only_head_changes_nothing(name: str) -> None:
    model, inputs = model_and_inputs(name, heads=1)
    logits, row = forward(model, inputs)
    output = model.decide(model.embed(inputs), inputs, row)
    assert torch.allclose(output.attention_row, row, atol=1e-6)
    assert torch.allclose(output.logits, logits, atol=1e-4)


@pytest.mark.parametrize("name", [*SINGLE, *FAMILIES])
def test_a_decision_by_a_given_row_depends_on_it_and_on_what_it_looks_at(name: str) -> None:
    """The gradient by the row is that of finite differences; what has no weight has no gradient, in
    a single layer whose last input is not looked at either."""
    model, inputs = model_and_inputs(name)
    row = torch.rand(inputs.tokens.shape) * inputs.present
    row = (row / row.sum(-1, keepdim=True)).requires_grad_()
    embedded = model.embed(inputs).detach().requires_grad_()
    logits = model.decide(embedded, inputs, row).logits
    assert not torch.allclose(logits, forward(model, inputs)[0], rtol=1e-5, atol=1e-7)
    (gradient,) = torch.autograd.grad(logits[0, 0], row)
    assert (gradient[1:] == 0).all()
    at = int(gradient[0].abs().argmax())
    step = torch.zeros_like(row)
    step[0, at] = 0.05
    with torch.no_grad():
        ends = [model.decide(embedded, inputs, row + s * step).logits[0, 0] for s in (1, -1)]
    assert (ends[0] - ends[1]) / 0.1 == pytest.approx(gradient[0, at].item(), rel=0.1, abs=1e-5)


@pytest.mark.parametrize("name", SINGLE)
def test_a_token_without_attention_has_no_gradient(name: str) -> None:
    """One hop, or both of two: no other way leads from a word to the decision."""
    model, inputs = model_and_inputs(name)
    row = torch.zeros(inputs.tokens.shape)
    row[:, 1] = 1
    embedded = model.embed(inputs).detach().requires_grad_()
    logits = model.decide(embedded, inputs, row).logits
    (gradient,) = torch.autograd.grad(logits.square().sum(), embedded)
    moved = gradient.abs().sum(-1) > 0
    last = inputs.present.sum(-1) - 1
    assert moved[:, 1].all()
    assert moved[torch.arange(len(last)), last].all()  # the query's own place
    if name == "one hop":
        assert moved.sum() == 2 * len(last)


def test_padding_of_a_pretrained_model_is_not_its_pad_token_alone() -> None:
    model, inputs = model_and_inputs("bert")
    assert (inputs.tokens[~inputs.present] == PAD).all()
    other = inputs._replace(tokens=inputs.tokens.masked_fill(~inputs.present, 5))
    output = model.decide(model.embed(other), other)
    assert torch.allclose(output.logits, forward(model, inputs)[0], atol=1e-5)
