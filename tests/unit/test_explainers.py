"""Explainers: what holds for every method, on every family and on the single layer."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from afa_ray.data.tokenizer import train_tokenizer
from afa_ray.explainers import EXPLAINERS, CannotExplainError, explained, scores
from afa_ray.explainers.expnet import ExpNet, ExpNetConfig
from afa_ray.models import Target, save_player
from afa_ray.models.interface import Inputs
from afa_ray.models.pretrained import PretrainedTarget
from tests.families import PAD, tiny
from tests.unit.test_models import small_target, tokens
from tests.unit.test_pretrained import padded

FAMILIES = ("bert", "roberta", "distilbert", "modernbert", "gpt2", "llama")
SINGLE = ("one hop", "two hops")
QUICK = {"ig": {"steps": 6, "most": 6}, "shap": {"samples": 10}, "lime": {"samples": 10}}
LRP = ("lrp", "full_lrp", "transformer_attribution", "mgae")
REFUSED = {
    *((name, method) for name in SINGLE for method in ("rollout", "attcat", "attn_lrp", *LRP)),
    *((name, "expnet") for name in (*FAMILIES, *SINGLE)),  # without a trained network
    ("two hops", "gae"),
    ("two hops", "cp_lrp"),
    *((name, method) for name in ("modernbert", "llama") for method in LRP),
}


@cache
def model_named(name: str) -> Target | PretrainedTarget:
    if name in SINGLE:
        return small_target(hops=1 + SINGLE.index(name))
    return PretrainedTarget(tiny(name)).eval()


def batch(name: str, side: str = "right") -> tuple[Tensor, Tensor]:
    if name in SINGLE:
        return tokens(), (tokens() != 0).long()
    return padded(side)


def special(mask: Tensor) -> Tensor:
    """(B, L): the first and the last real token, and padding."""
    count = mask.cumsum(1)
    return ((mask == 0) | (count == 1) | (count == count[:, -1:])).long()


def state(model: nn.Module) -> tuple:
    """All that an explainer might leave changed."""
    weights = [(p.requires_grad, float(p.detach().abs().sum())) for p in model.parameters()]
    hooks = len(model.get_input_embeddings()._forward_hooks)
    patched = [m for m in model.modules() if "forward" in vars(m)]
    how = getattr(model.config, "_attn_implementation", None)
    return model.training, weights, hooks, patched, how


@pytest.mark.parametrize("method", EXPLAINERS)
@pytest.mark.parametrize("name", [*FAMILIES, *SINGLE])
def test_a_texts_scores_are_its_own(name: str, method: str) -> None:
    """Neither padding on either side nor the other texts of a batch change them; special tokens
    and padding have none; the model is as it was; or it is refused in one sentence."""
    model = model_named(name).train()
    ids, mask = batch(name)
    before = state(model)
    refused, options = None, QUICK.get(method, {})
    try:
        found = scores(model, ids, mask, method, special_tokens_mask=special(mask), **options)
    except CannotExplainError as error:
        refused = str(error)
    assert state(model) == before
    assert (refused is not None) == ((name, method) in REFUSED)
    if refused is not None:
        assert refused.startswith(f"{method}: ")
        assert "\n" not in refused
        return
    assert found.shape == ids.shape
    assert found.isfinite().all()
    assert (found[special(mask).bool()] == 0).all()
    assert found[0, 1:-1].abs().sum() > 0
    close = {"atol": 1e-3 * float(found.abs().max()), "rtol": 1e-3}
    for i, length in enumerate(mask.sum(1).tolist()):
        alone, its = ids[i : i + 1, :length], mask[i : i + 1, :length]
        row = scores(model, alone, its, method, special_tokens_mask=special(its), **options)[0]
        assert torch.allclose(found[i, :length], row, **close)
    if not isinstance(model, Target):
        ids, mask = batch(name, "left")
        left = scores(model, ids, mask, method, special_tokens_mask=special(mask), **options)
        for i, length in enumerate(mask.sum(1).tolist()):
            assert torch.allclose(left[i, 9 - length :], found[i, :length], **close)


@pytest.mark.parametrize("method", ["attention", "gae", "ig"])
@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_a_model_of_transformers_is_left_as_it_was(name: str, method: str) -> None:
    model, (ids, mask) = tiny(name).train(), batch(name)
    model.set_attn_implementation("sdpa")
    before = state(model)
    found = scores(model, ids, mask, method, **QUICK.get(method, {}))
    assert state(model) == before
    ours = scores(model_named(name), ids, mask, method, **QUICK.get(method, {}))
    assert torch.allclose(found, ours, atol=1e-5, rtol=1e-4)


def test_what_is_not_defined_is_said() -> None:
    model, (ids, mask) = model_named("bert"), batch("bert")
    for given, message in (
        ({"method": "lasso"}, "no explainer is called 'lasso': take one of attention, attention_x"),
        ({"method": "ig", "step": 3}, "ig has no option 'step': it has steps, tolerance, most"),
        ({"method": "attention", "x": 3}, "attention has no option 'x': it has none"),
        ({"method": "ig", "target": 3}, "target = 3: the model has classes 0 to 2"),
        ({"method": "ig", "target": -1}, "target = -1: the model has classes 0 to 2"),
        ({"method": "ig", "target": torch.tensor([1, 2])}, "for 3 texts"),
    ):
        with pytest.raises(ValueError, match=message.replace("(", r"\(")):
            scores(model, ids, mask, **given)
    with pytest.raises(ValueError, match="attention_mask of shape"):
        scores(model, ids, mask[:, :4], "ig")
    with pytest.raises(ValueError, match="padding on the left"):
        scores(small_target(), tokens().flip(1), None, "attention")
    with pytest.raises(ValueError, match="13 columns: the model has positions for 12"):
        scores(small_target(), torch.full((1, 13), 7), None, "attention")


def test_a_model_that_names_no_padding_is_refused() -> None:
    model = tiny("bert")
    model.config.pad_token_id = None
    with pytest.raises(ValueError, match="names no padding"):
        scores(model, *batch("bert"), "ig")


@pytest.mark.parametrize("method", ["gae", "lrp", "cp_lrp", "expnet", "layers_ig"])
def test_a_family_without_the_attention_interface_is_refused(method: str) -> None:
    options = {"net": ExpNet(ExpNetConfig(8))} if method == "expnet" else {}
    with pytest.raises(CannotExplainError, match=f"^{method}: deberta does not go through"):
        scores(model_named("deberta"), *batch("deberta"), method, **options)


@pytest.mark.parametrize("method", EXPLAINERS)
@pytest.mark.parametrize("name", ["bert", "gpt2", "one hop"])
def test_an_empty_text_has_no_scores(name: str, method: str) -> None:
    """Nor has it a part in those of its neighbour."""
    if (name, method) in REFUSED:
        pytest.skip("refused")
    model, (ids, mask) = model_named(name), batch(name)
    mask = mask[:2].clone()
    mask[1] = 0
    ids = ids[:2].masked_fill(mask == 0, model.config.pad_token_id)
    options = {"special_tokens_mask": torch.zeros_like(mask)} | QUICK.get(method, {})
    found = scores(model, ids, mask, method, **options)
    assert (found[1] == 0).all()
    alone = scores(model, ids[:1], mask[:1], method, **(options | {
        "special_tokens_mask": torch.zeros_like(mask[:1])}))  # fmt: skip
    assert torch.allclose(found[:1], alone, atol=1e-3 * float(alone.abs().max()), rtol=1e-3)


@pytest.mark.parametrize(
    "method", ["gae", "attn_lrp", "lrp", "mgae", "ig", "leave_one_out", "layers_ig"]
)
def test_a_model_in_bfloat16_is_explained_nearly_alike(method: str) -> None:
    model, (ids, mask) = PretrainedTarget(tiny("bert").bfloat16()).eval(), batch("bert")
    found, precise = (
        scores(m, ids, mask, method, 0, **QUICK.get(method, {}))[0, 1:]
        for m in (model, model_named("bert"))
    )
    assert torch.corrcoef(torch.stack([found, precise]))[0, 1] > 0.8


def test_a_configuration_names_special_tokens() -> None:
    model = small_target()
    ids = torch.tensor([[2, 7, 8, 9, 3, 0]])
    assert scores(model, ids, None, "random").bool().tolist() == [[0, 1, 1, 1, 0, 0]]
    bert = scores(model_named("bert"), torch.tensor([[7, 8, 9, PAD]]), None, "random")
    assert bert.bool().tolist() == [[0, 1, 1, 0]]  # the token it reads at
    gpt2 = scores(model_named("gpt2"), torch.tensor([[7, 8, 9, PAD]]), None, "random")
    assert gpt2.bool().tolist() == [[1, 1, 1, 0]]


def test_random_scores_belong_to_a_text_and_a_seed() -> None:
    model, (ids, mask) = model_named("bert"), batch("bert")
    one, again, other = (scores(model, ids, mask, "random", seed=s) for s in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_the_class_is_the_predicted_one_unless_another_is_given() -> None:
    model, (ids, mask) = model_named("bert"), batch("bert")
    classes = model(ids, mask).logits.argmax(-1)
    found = scores(model, ids, mask, "gradient_norm")
    assert torch.equal(found, scores(model, ids, mask, "gradient_norm", classes))
    other = scores(model, ids, mask, "gradient_norm", (classes + 1) % 3)
    assert not torch.allclose(found, other, rtol=0.1)
    assert (explained(model, ids, mask, "cam").figures["seconds"] > 0).all()


def test_the_page_on_explainers_of_ones_own_runs(tmp_path: Path) -> None:
    """Its code, on a random model; and both its explainers are held against it."""
    page = (Path(__file__).parents[2] / "docs/how-to/add-an-explainer.md").read_text("utf-8")
    _, whole, more = (part.split("```")[0] for part in page.split("```python")[1:])
    tokenizer = train_tokenizer(["the soup was cold a lovely evening"], 40, 12)
    tokenizer.save_pretrained(tmp_path)
    save_player(small_target(num_labels=2), tmp_path)
    names: dict[str, Any] = {"folder": str(tmp_path)}
    exec(whole + more, names)
    found = names["found"]
    assert set(found) == {"deletion", "erasure"}
    assert found["erasure"]["comprehensiveness"] != found["erasure"]["random_comprehensiveness"]
    model, ids = names["model"], tokens()
    inputs = Inputs(ids, ids != 0)
    classes = torch.zeros(len(ids), dtype=torch.int64)
    length = model.words(ids).norm(dim=-1)
    assert torch.equal(names["loudness"](model, inputs, classes), length * (ids != 0))
    assert torch.equal(names["saliency"](model, inputs, classes) > 0, ids != 0)


def test_the_page_of_explainers_names_them_all_and_runs(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/reference/explainers.md").read_text("utf-8")
    assert set(EXPLAINERS) <= set(re.findall(r"`(\w+)`", page.split("## What is refused")[0]))
    tokenizer = train_tokenizer(["the soup was cold a lovely evening"], 40, 12)
    tokenizer.save_pretrained(tmp_path)
    save_player(small_target(num_labels=2), tmp_path)
    names: dict[str, Any] = {"folder": tmp_path}
    exec(page.split("```python")[1].split("```")[0], names)
    special = names["texts"]["special_tokens_mask"].bool()
    assert torch.equal(names["weights"] != 0, ~special)
