"""What common tools ask of a saved single-layer model: embeddings, hidden states, export."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from afa_ray.models import save_player
from tests.unit.test_models import LENGTHS, small_target, tokens


@pytest.fixture(params=[1, 2], ids=["one hop", "two hops"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> PreTrainedModel:
    """As opened from a folder."""
    save_player(small_target(hops=request.param), tmp_path)
    return AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()


def mask() -> Tensor:
    return (tokens() != 0).long()


def test_embeddings_instead_of_tokens(model: PreTrainedModel) -> None:
    """With the mask of padding; and gradients, from which tools make scores of tokens."""
    expected = model(tokens())
    embeddings = model.get_input_embeddings()(tokens()).detach().requires_grad_()
    found = model(inputs_embeds=embeddings, attention_mask=mask())
    assert torch.allclose(found.logits, expected.logits, atol=1e-6)
    assert torch.allclose(found.attention_row, expected.attention_row, atol=1e-6)
    (gradient,) = torch.autograd.grad(found.logits[:, 0].sum(), embeddings)
    assert (gradient[mask() == 0] == 0).all()
    assert (gradient[mask() == 1].abs().sum(-1) > 0).all()
    expected.logits[:, 0].sum().backward()
    by_word = torch.zeros(40, 32).index_add_(0, tokens().flatten(), gradient.flatten(0, 1))
    assert torch.allclose(model.words.weight.grad, by_word, atol=1e-6)


def test_embeddings_without_a_mask_are_all_real(model: PreTrainedModel) -> None:
    alone = tokens()[3:]  # no padding
    assert torch.allclose(
        model(inputs_embeds=model.words(alone)).logits, model(alone).logits, atol=1e-6
    )


@pytest.mark.parametrize("both", [True, False])
def test_tokens_or_embeddings_not_both(model: PreTrainedModel, both: bool) -> None:
    given = {"input_ids": tokens(), "inputs_embeds": model.words(tokens())} if both else {}
    with pytest.raises(ValueError, match="input_ids or inputs_embeds"):
        model(**given)


def test_padding_on_the_left_of_embeddings_is_refused(model: PreTrainedModel) -> None:
    with pytest.raises(ValueError, match="left"):
        model(inputs_embeds=model.words(tokens().flip(1)), attention_mask=mask().flip(1))


def test_hidden_states_end_in_what_is_classified(model: PreTrainedModel) -> None:
    output = model(tokens(), output_hidden_states=True)
    assert [x.shape for x in output.hidden_states] == [(4, 9, 32)] * (1 + len(model.layers))
    inputs = model.words(tokens()) + model.positions.weight[:9]
    assert torch.equal(output.hidden_states[0], inputs)
    read = output.hidden_states[-1][torch.arange(4), LENGTHS - 1]
    assert torch.allclose(model.classifier(read), output.logits, atol=1e-6)
    textbook = model.layer(inputs, src_key_padding_mask=tokens() == 0)
    real = mask().bool()
    assert torch.allclose(output.hidden_states[1][real], textbook[real], atol=1e-6)
    assert model(tokens()).hidden_states is None


def test_what_a_configuration_asks_for_is_returned(model: PreTrainedModel) -> None:
    model.config.output_hidden_states = model.config.output_attentions = True
    output = model(tokens())
    assert output.hidden_states is not None
    assert output.attentions[0].shape == (4, 4, 9)


def test_the_name_of_the_base_model_is_an_attribute(model: PreTrainedModel) -> None:
    assert getattr(model, model.base_model_prefix) is model
    assert model.base_model is model


def test_a_row_of_a_too_long_text_fits_its_tokens(model: PreTrainedModel) -> None:
    """12 of 15 tokens are read; so are hidden states and each head's row."""
    torch.manual_seed(4)
    long = torch.randint(5, 40, (3, 15))
    long[1, 13:] = 0  # 13 tokens
    long[2, 4:] = 0  # 4 tokens
    read = [[*range(11), 14], [*range(11), 12], list(range(12))]
    short = torch.stack([text[columns] for text, columns in zip(long, read, strict=True)])
    expected = model(short, output_attentions=True, output_hidden_states=True)
    for given in ({"input_ids": long}, {"inputs_embeds": model.words(long)}):
        output = model(
            **given,
            attention_mask=(long != 0).long(),
            output_attentions=True,
            output_hidden_states=True,
        )
        assert torch.allclose(output.logits, expected.logits, atol=1e-6)
        for i, columns in enumerate(read):
            row = torch.zeros(15)
            row[columns] = expected.attention_row[i]
            assert torch.allclose(output.attention_row[i], row, atol=1e-6)
            heads = expected.attentions[0][i]
            assert torch.allclose(output.attentions[0][i][:, columns], heads, atol=1e-6)
            state = expected.hidden_states[-1][i]
            assert torch.allclose(output.hidden_states[-1][i, columns], state, atol=1e-6)


@pytest.mark.slow
def test_it_is_exported_for_any_batch_and_length(model: PreTrainedModel) -> None:
    batch, length = torch.export.Dim("batch", max=64), torch.export.Dim("length", max=12)
    names = ("input_ids", "attention_mask")
    exported = torch.export.export(
        model,
        (),
        dict(zip(names, (tokens(), mask()), strict=True)),
        dynamic_shapes={name: {0: batch, 1: length} for name in names},
    ).module()
    other = torch.randint(5, 40, (6, 11))
    other[:2, 5:] = 0
    expected, found = (m(input_ids=other, attention_mask=other != 0) for m in (model, exported))
    assert torch.allclose(found.logits, expected.logits, atol=1e-6)
    assert torch.allclose(found.attention_row, expected.attention_row, atol=1e-6)
