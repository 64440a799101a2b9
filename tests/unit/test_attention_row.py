"""afa_ray.attention_row: the row of whatever transformers has opened."""

import copy
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, TaskType, get_peft_model
from transformers import AutoModelForSequenceClassification

import afa_ray
from afa_ray.models import save_player
from tests.families import tiny
from tests.unit.test_models import small_target, tokens
from tests.unit.test_pretrained import FIRST, LENGTHS, padded


def test_of_a_single_layer(tmp_path: Path) -> None:
    """The model's own, in as many columns as there are tokens."""
    save_player(small_target(), tmp_path)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    mask = (tokens() != 0).long()
    row = afa_ray.attention_row(model, input_ids=tokens(), attention_mask=mask)
    assert torch.equal(row, model(tokens()).attention_row)
    long = torch.randint(5, 40, (1, 20))
    row = afa_ray.attention_row(model, input_ids=long)
    assert row.shape == (1, 20)
    assert (row[0, 11:19] == 0).all()
    assert row[0, 19] > 0


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("family", ["bert", "gpt2", "xlnet", "deberta-v2", "llama", "gemma2"])
def test_of_a_pretrained_model(family: str, side: str) -> None:
    """Frozen, in inference mode; the model is afterwards what it was."""
    model = tiny(family).requires_grad_(False)
    plain = "eager" if family in ("xlnet", "deberta-v2", "gemma2") else "sdpa"
    model.set_attn_implementation(plain)
    before = (model.config._attn_implementation, copy.deepcopy(model.state_dict()))
    ids, mask = padded(side)
    with torch.inference_mode():
        row = afa_ray.attention_row(model, input_ids=ids, attention_mask=mask)
    assert model.config._attn_implementation == before[0]
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(x, before[1][name]) for name, x in model.state_dict().items())
    model.set_attn_implementation("eager")
    for i, length in enumerate(LENGTHS):
        real = mask[i].bool()
        alone = ids[i, real][None]
        given = {"input_ids": alone, "attention_mask": torch.ones_like(alone)}
        weights = model(**given, output_attentions=True).attentions[-1]
        expected = weights[0, :, 0 if family in FIRST else length - 1].mean(0)
        assert torch.allclose(row[i, real], expected, atol=1e-5)
        assert (row[i, ~real] == 0).all()


def test_token_types_are_read() -> None:
    model = tiny("bert")
    ids, mask = padded("right")
    types = (torch.arange(9) > 3).long().expand(3, -1)
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
    row = afa_ray.attention_row(model, **inputs)
    model.set_attn_implementation("eager")
    expected = model(**inputs, output_attentions=True).attentions[-1][:, :, 0].mean(1)
    assert torch.allclose(row, expected * mask, atol=1e-5)
    without = afa_ray.attention_row(model, input_ids=ids, attention_mask=mask)
    assert not torch.allclose(row, without, atol=1e-3)


def test_of_a_model_with_adapters() -> None:
    adapted = get_peft_model(tiny("bert"), LoraConfig(task_type=TaskType.SEQ_CLS, r=2)).eval()
    ids, mask = padded("right")
    row = afa_ray.attention_row(adapted, input_ids=ids, attention_mask=mask)
    assert torch.allclose(row.sum(1), torch.ones(3), atol=1e-5)


@pytest.mark.parametrize(("family", "limit"), [("bert", 512), ("roberta", 38)])
def test_too_long_texts_are_refused(family: str, limit: int) -> None:
    ids = torch.full((1, limit + 1), 7)
    with pytest.raises(ValueError, match=rf"{limit + 1} columns.*max_length={limit}"):
        afa_ray.attention_row(tiny(family), input_ids=ids)
    row = afa_ray.attention_row(tiny(family), input_ids=ids[:, :limit])
    assert row.shape == (1, limit)


def test_what_cannot_be_right_is_refused() -> None:
    ids = padded("right")[0]
    with pytest.raises(ValueError, match="not labels"):
        afa_ray.attention_row(tiny("bert"), input_ids=ids, labels=torch.zeros(3))
    with pytest.raises(ValueError, match="input_ids at least"):
        afa_ray.attention_row(tiny("bert"), attention_mask=ids)
    model = tiny("modernbert")
    model.config.classifier_pooling = "mean"
    with pytest.raises(ValueError, match="one position"):
        afa_ray.attention_row(model, input_ids=ids)
    model = tiny("gpt2")
    model.config.pad_token_id = None
    with pytest.raises(ValueError, match="pad_token_id"):
        afa_ray.attention_row(model, input_ids=ids)
