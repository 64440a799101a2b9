"""Explainers against formulas worked out by other means: by hand, by captum, by deleting."""

from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import LayerIntegratedGradients
from torch import Tensor, nn
from transformers import BertConfig, BertForSequenceClassification, PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from afa_ray.explainers import attnlrp, explained, lrp, scores, surrogates
from afa_ray.explainers.rules import following
from afa_ray.models import Target
from afa_ray.models import target as single_layer
from afa_ray.models.attention_maps import read_maps
from afa_ray.models.interface import Inputs
from tests.families import PAD, SIZES, tiny
from tests.unit.test_explainers import FAMILIES, batch, model_named, special
from tests.unit.test_models import small_target

TEXT = torch.tensor([[4, 17, 9, 33, 21, 50, 5]])
ONES = torch.ones_like(TEXT)


def of_text(model: nn.Module, method: str, target: int = 0, **options: object) -> Tensor:
    """(7,) scores, the first and the last token special."""
    return scores(model, TEXT, ONES, method, target, special_tokens_mask=special(ONES), **options)[
        0
    ]


def textbook(model: PreTrainedModel) -> tuple[list, list, list, list]:
    """Attention weights and hidden states of transformers' eager mode, and the gradients of the
    logit of class 0."""
    model.set_attn_implementation("eager")
    output = model(
        input_ids=TEXT, attention_mask=ONES, output_attentions=True, output_hidden_states=True
    )
    wanted = [*output.attentions, *output.hidden_states[:-1]]
    found = torch.autograd.grad(output.logits[0, 0], wanted)
    n = len(output.attentions)
    assert n == model.config.num_hidden_layers
    return [a[0] for a in wanted[:n]], [g[0] for g in found[:n]], wanted[n:], list(found[n:])


def cut(row: Tensor) -> Tensor:
    """The row without the special tokens' scores."""
    return torch.cat([torch.zeros(1), row.detach()[1:-1], torch.zeros(1)])


@pytest.mark.parametrize("family", ["bert", "distilbert", "gpt2", "llama"])
def test_scores_by_attention_weights_are_the_formulas(family: str) -> None:
    model = tiny(family)
    maps, slopes, states, state_slopes = textbook(model)
    read = 0 if "bert" in family else -1
    identity = torch.eye(7)

    one, two = (0.5 * (m.mean(0) + identity) for m in maps)  # rows sum to 2
    rollout = two @ one
    assert torch.allclose(of_text(model, "rollout"), cut(rollout[read]), atol=1e-5)

    relevance = identity
    for weights, slope in zip(maps, slopes, strict=True):
        relevance = relevance + (weights * slope).relu().mean(0) @ relevance
    assert torch.allclose(of_text(model, "gae"), cut(relevance[read]), atol=1e-5, rtol=1e-4)

    cam = slopes[-1].mean((0, 1)).relu()
    assert torch.allclose(of_text(model, "cam"), cut(cam), atol=1e-6, rtol=1e-4)

    product = (slopes[-1] * maps[-1]).sum(0)[read]
    assert torch.allclose(of_text(model, "attention_x_gradient"), cut(product), atol=1e-6)

    whole = (slopes[-1].mean((1, 2))[:, None, None] * maps[-1]).mean(0).relu()
    scaled = (whole - whole.min()) / (whole.max() - whole.min()).clamp_min(1e-30)
    assert torch.allclose(of_text(model, "gradcam"), cut(scaled[read]), atol=1e-4)

    attcat = sum(
        (h * g)[0].sum(-1) * m.mean((0, 1))
        for h, g, m in zip(states, state_slopes, maps, strict=True)
    )
    assert torch.allclose(of_text(model, "attcat"), cut(attcat), atol=1e-5, rtol=1e-3)


def test_gae_of_one_layer_is_what_its_row_and_gradient_say() -> None:
    """I at the position that is read, which is special, plus the row times its gradient."""
    torch.manual_seed(0)
    model = BertForSequenceClassification(BertConfig(**SIZES | {"num_hidden_layers": 1})).eval()
    (weights,), (slope,), *_ = textbook(model)
    by_hand = (weights[:, 0] * slope[:, 0]).clamp_min(0).mean(0)
    assert torch.allclose(of_text(model, "gae"), cut(by_hand), atol=1e-7)


@pytest.mark.parametrize("hops", [1, 2])
def test_attention_x_gradient_of_a_single_layer_is_by_differences(
    hops: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the logit gains when a token's weight in every hop's attention is so much larger."""
    model = small_target(hops=hops).double()
    ids = torch.tensor([[2, 17, 9, 33, 21, 25, 3]])
    found = scores(model, ids, None, "attention_x_gradient", 1)[0]
    attend = single_layer.attend

    def larger(layer: nn.Module, read: Any, hidden: Tensor, *_: None) -> Any:
        rows = attend(layer, read, hidden)[1].clone()
        rows[..., place] *= 1 + step
        return attend(layer, read, hidden, rows)

    logits = {}
    monkeypatch.setattr(single_layer, "attend", larger)
    for place in range(1, 6):
        for step in (-1e-4, 1e-4):
            logits[place, step] = float(model(ids).logits[0, 1].detach())
    expected = [(logits[i, 1e-4] - logits[i, -1e-4]) / 2e-4 for i in range(1, 6)]
    assert found[1:-1].tolist() == pytest.approx(expected, rel=1e-3, abs=1e-7)


@pytest.mark.parametrize("name", [*FAMILIES, "one hop", "two hops"])
def test_attention_ig_adds_up_to_what_the_logit_has_of_the_text(name: str) -> None:
    model, (ids, mask) = model_named(name), batch(name)
    none = special(mask)
    inputs = Inputs(ids, mask.bool(), special=none.bool())
    with torch.no_grad():
        whole = model(ids, attention_mask=mask).logits[:, 2]
        nothing = model.gated(inputs, none.float())[:, 2]
    found = explained(model, ids, mask, "attention_ig", 2, special_tokens_mask=none, steps=12)
    assert torch.allclose(found.figures["difference"], whole - nothing, atol=1e-5)
    close = 0.03 if name == "distilbert" else 1e-3  # the ReLU of its head has a corner
    assert torch.allclose(found.scores.sum(-1), whole - nothing, atol=1e-4, rtol=close)
    few = explained(model, ids, mask, "attention_ig", 2, special_tokens_mask=none)
    assert torch.allclose(
        few.figures["completeness_error"],
        (few.scores.sum(-1) - (whole - nothing)).abs(), atol=1e-5,
    )  # fmt: skip
    assert (few.figures["steps"] == 3).all()


@pytest.mark.parametrize("name", FAMILIES)
def test_layers_ig_adds_up_to_what_the_logit_has_of_what_is_attended_to(name: str) -> None:
    """y(m) by scaling the values of the text's tokens in every layer, and no attention weight."""
    model, (ids, mask) = model_named(name), batch(name)
    none = special(mask)
    found = explained(model, ids, mask, "layers_ig", 2, special_tokens_mask=none, steps=16)
    with torch.no_grad():
        whole, nothing = (
            values_scaled(model, ids, mask, gates)[:, 2]
            for gates in (torch.ones(ids.shape), none.float())
        )
    assert torch.allclose(found.figures["difference"], whole - nothing, atol=1e-5)
    close = 0.02 if name == "distilbert" else 1e-4  # the ReLU of its head has a corner
    assert torch.allclose(found.scores.sum(-1), whole - nothing, atol=close, rtol=1e-3)
    one = explained(model, ids, mask, "layers_ig", 2, special_tokens_mask=none, steps=1)
    assert (one.figures["steps"] == 1).all()
    for token in (2, 3):  # the only point is the middle of the way
        ends = []
        for step in (0.01, -0.01):
            gates = torch.where(none.bool(), 1.0, 0.5)
            gates[:, token] += step
            ends.append(values_scaled(model, ids, mask, gates)[0, 2])
        assert float(one.scores[0, token]) == pytest.approx(
            float(ends[0] - ends[1]) / 0.02, rel=0.02, abs=1e-5
        )


def values_scaled(model: Any, ids: Tensor, mask: Tensor, gates: Tensor) -> Tensor:
    """(B, C) logits where each layer's values of a token are multiplied by the token's gate."""

    def scaled(attend: Any) -> Any:
        def call(module: Any, q: Tensor, k: Tensor, v: Tensor, *rest: Any, **options: Any) -> Any:
            return attend(module, q, k, v * gates[:, None, :, None], *rest, **options)

        return call

    name = "sdpa"
    before, own = model.config._attn_implementation, ALL_ATTENTION_FUNCTIONS[name]
    model.model.set_attn_implementation(name)
    ALL_ATTENTION_FUNCTIONS[name] = scaled(own)
    try:
        with torch.no_grad():
            return model.model(input_ids=ids, attention_mask=mask).logits
    finally:
        ALL_ATTENTION_FUNCTIONS[name] = own
        model.model.set_attn_implementation(before)


@pytest.mark.parametrize("name", ["one layer", "one hop", "two hops"])
def test_layers_ig_of_one_layer_is_attention_ig(name: str) -> None:
    """Nothing but the row that is read leads to the decision."""
    model: Any
    if name == "one layer":
        torch.manual_seed(0)
        model = BertForSequenceClassification(BertConfig(**SIZES | {"num_hidden_layers": 1})).eval()
        ids, mask = TEXT, ONES
    else:
        model, (ids, mask) = model_named(name), batch(name)
    given = {"target": 0, "special_tokens_mask": special(mask)}
    both = [scores(model, ids, mask, method, **given) for method in ("layers_ig", "attention_ig")]
    assert both[0].abs().sum() > 0
    assert torch.allclose(*both, atol=1e-6, rtol=1e-4)


def test_gae_of_a_single_layer_is_by_differences() -> None:
    """The gradient by one head's weight of a token, by moving it."""
    model = small_target()
    ids = torch.tensor([[2, 7, 8, 9, 3]])
    inputs = Inputs(ids, ids > 0)
    rows = model(ids, output_attentions=True).attentions[0].detach()
    by_hand = torch.zeros(5)
    with torch.no_grad():
        for token in range(1, 4):
            for head in range(4):
                step = torch.zeros_like(rows)
                step[0, head, token] = 0.05
                ends = [model.decide(model.embed(inputs), inputs, rows + s * step).logits[0, 0]
                        for s in (1, -1)]  # fmt: skip
                slope = (ends[0] - ends[1]) / 0.1
                by_hand[token] += (slope * rows[0, head, token]).clamp_min(0) / 4
    assert torch.allclose(scores(model, ids, None, "gae", 0)[0], by_hand, atol=1e-6, rtol=0.02)


def test_integrated_gradients_are_captums() -> None:
    model, baseline = tiny("bert"), TEXT.clone()
    baseline[0, 1:-1] = PAD
    found = explained(
        model, TEXT, ONES, "ig", 1, special_tokens_mask=special(ONES), steps=20, most=20
    )
    judge = LayerIntegratedGradients(
        lambda ids: model(input_ids=ids, attention_mask=ONES.expand_as(ids)).logits,
        model.bert.embeddings.word_embeddings,
    )
    theirs, error = judge.attribute(
        TEXT, baseline, target=1, n_steps=20, return_convergence_delta=True
    )
    assert torch.allclose(found.scores, theirs.sum(-1).float(), atol=1e-4, rtol=1e-3)
    assert found.figures["completeness_error"].item() == pytest.approx(
        error.abs().item(), rel=0.01, abs=1e-3
    )
    assert found.figures["steps"].item() == 20


def test_integrated_gradients_take_more_steps_where_they_do_not_add_up() -> None:
    model, (ids, mask) = model_named("bert"), batch("bert")
    options = {"special_tokens_mask": special(mask), "steps": 2}
    few = explained(model, ids, mask, "ig", most=2, **options).figures
    many = explained(model, ids, mask, "ig", most=512, **options).figures
    bad = few["completeness_error"] > 0.05 * few["difference"].abs()
    assert bad.any()
    assert (many["steps"] > 2).tolist() == bad.tolist()
    settled = many["steps"] < 512
    assert settled.any()
    good = many["completeness_error"] <= 0.05 * many["difference"].abs()
    assert good[settled].all()


@pytest.mark.parametrize("name", ["bert", "gpt2", "one hop", "two hops"])
def test_leave_one_out_is_really_deleting(name: str) -> None:
    model = model_named(name)
    ids, mask = batch(name)
    found = scores(model, ids, mask, "leave_one_out", 1, special_tokens_mask=special(mask))
    size = scores(
        model, ids, mask, "leave_one_out", 1, special_tokens_mask=special(mask), by="size"
    )
    assert torch.equal(size, found.abs())
    text = ids[1, : int(mask[1].sum())]

    def probability(tokens: Tensor) -> Tensor:
        with torch.no_grad():
            return model(tokens[None], torch.ones_like(tokens)[None]).logits.softmax(-1)[0, 1]

    for t in range(1, len(text) - 1):
        without = torch.cat([text[:t], text[t + 1 :]])
        lost = probability(text) - probability(without)
        assert found[1, t].item() == pytest.approx(lost.item(), abs=2e-6)


def enumerated(value: dict[frozenset[int], float], n: int) -> list[float]:
    """Shapley values from all 2^n coalitions."""
    found = []
    for i in range(n):
        others = [j for j in range(n) if j != i]
        found.append(
            sum(
                factorial(k) * factorial(n - 1 - k) / factorial(n) * (value[s | {i}] - value[s])
                for k in range(n)
                for s in map(frozenset, combinations(others, k))
            )
        )
    return found


@pytest.mark.parametrize("name", ["bert", "one hop"])
def test_shap_of_eight_tokens_is_exact(name: str) -> None:
    model = model_named(name)
    ids = torch.tensor([[2, 11, 12, 13, 14, 15, 16, 17, 18, 3]])
    ends = special(torch.ones_like(ids))
    values = {}
    for size in range(9):
        for kept in map(frozenset, combinations(range(8), size)):
            tokens = torch.tensor([[2, *(ids[0, 1 + j] for j in sorted(kept)), 3]])
            with torch.no_grad():
                logits = model(tokens, torch.ones_like(tokens)).logits
            values[kept] = logits.double().softmax(-1)[0, 0].item()
    exact = torch.tensor([0.0, *enumerated(values, 8), 0.0])
    given = (model, ids, torch.ones_like(ids), "shap", 0)
    found = explained(*given, special_tokens_mask=ends, samples=254)
    assert torch.allclose(found.scores[0], exact, atol=1e-5)
    assert found.figures["r2"].item() <= 1
    whole = values[frozenset(range(8))] - values[frozenset()]
    sampled = scores(*given, special_tokens_mask=ends, samples=120)[0]
    assert sampled.sum().item() == pytest.approx(whole, abs=1e-5)


def test_sampled_shapley_values_come_close() -> None:
    """Of a sum over words and pairs of twelve: a pair's number goes to both in halves."""
    noise = np.random.default_rng(0)
    single, pair = noise.normal(size=12), np.triu(noise.normal(size=(12, 12)), 1)
    exact = single + (pair + pair.T).sum(1) / 2
    kept, weights = surrogates._coalitions(noise, 12, 2000)
    assert len(kept) == 2002
    found = kept @ single + np.einsum("si,ij,sj->s", kept, pair, kept)
    close, r2 = surrogates._shapley(kept.astype(float), weights, found)
    assert np.abs(close - exact).max() < 0.2 * np.abs(exact).max()
    assert close.sum() == pytest.approx(found[0] - found[1])
    assert 0.3 < r2 < 1
    close, r2 = surrogates._shapley(kept.astype(float), weights, kept @ single)
    assert close == pytest.approx(single)
    assert r2 == pytest.approx(1.0)


def additive() -> Target:
    """A single layer whose probability of class 0 hardly bends: words matter by their number."""
    model = small_target(num_labels=2)
    with torch.no_grad():
        model.classifier.weight.mul_(0.01)
    return model


@pytest.mark.parametrize("method", ["shap", "lime"])
def test_surrogates_work_on_words_and_say_how_well_they_fit(method: str) -> None:
    model, ids = additive(), torch.tensor([[2, 11, 12, 13, 14, 15, 3]])
    units = torch.tensor([[0, 0, 0, 1, 2, 2, 3]])
    found = explained(model, ids, None, method, 0, units=units)
    row = found.scores[0]
    assert row[1] == row[2] != row[3]
    assert row[4] == row[5]
    assert found.figures["r2"].item() > (0.3 if method == "lime" else -1)
    with pytest.raises(ValueError, match=r"units of shape \(1, 3\)"):
        scores(model, ids, None, method, units=units[:, :3])
    with pytest.raises(ValueError, match="samples = 1: at least 2"):
        scores(model, ids, None, method, samples=1)


def test_lime_of_an_additive_function_finds_it() -> None:
    """Ridge shrinks, but orders the words as leaving each out does."""
    model, ids = additive(), torch.tensor([[2, 11, 12, 13, 14, 15, 16, 3]])
    given = (model, ids, None)
    shap = scores(*given, "shap", 0)[0, 1:-1]
    lime = scores(*given, "lime", 0, samples=2000)[0, 1:-1]
    assert torch.corrcoef(torch.stack([shap, lime]))[0, 1] > 0.9


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "gpt2"])
def test_relevance_is_conserved(family: str) -> None:
    """It is 1 over all tokens, special ones included."""
    model, (ids, mask) = model_named(family), batch(family)
    none = torch.zeros_like(mask)
    for target in (0, 2):
        found = scores(model, ids, mask, "full_lrp", target, special_tokens_mask=none)
        assert torch.allclose(found.sum(-1), torch.ones(len(ids)), atol=1e-3)


def relevance_of(function: nn.Module, x: Tensor, start: Tensor) -> Tensor:
    x.requires_grad_()
    with following(function, lrp.RULES, strict=True):
        y = function(x)
    return torch.autograd.grad(y, x, start)[0]


def test_two_layers_by_hand() -> None:
    """x = (1, 2), W x = (3, 3), V's first row (1, 1/2). Without tanh and bias h has 2/3 and 1/3 of
    class 0. Of h_1 the x have 1/3 and 2/3; in h_2 only x_2 has a positive part."""
    net = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2))
    net[0].weight.data = torch.tensor([[1.0, 1.0], [-1.0, 2.0]])
    net[2].weight.data = torch.tensor([[1.0, 0.5], [-1.0, 1.0]])
    net[0].bias.data.fill_(-2.5)  # has no part in it; but h is tanh of what it makes
    x = torch.tensor([[1.0, 2.0]])
    h = (net[0](x)).tanh()[0].detach()
    of_h = h * torch.tensor([1.0, 0.5]) / (h * torch.tensor([1.0, 0.5])).sum()
    by_hand = torch.stack([of_h[0] / 3, of_h[0] * 2 / 3 + of_h[1]])
    found = relevance_of(net, x, torch.tensor([[1.0, 0.0]]))
    assert torch.allclose(found[0], by_hand)
    linear = nn.Sequential(net[0], net[2])
    net[0].bias.data.zero_()
    found = relevance_of(linear, x, torch.tensor([[1.0, 0.0]]))
    assert torch.allclose(found, torch.tensor([[2 / 9, 7 / 9]]))


def test_sums_and_products_by_hand() -> None:
    """a + b = (2, 1) with relevance (1, 1): a has (1/2, 2), b (1/2, -1); in all 2 (5/2) / 3 of
    them go to a and 2 (1/2) / 3 to b. Of a product each side has half."""

    class Sum(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, 0] + x[:, 1]

    class Product(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, :1] @ x[:, 1:].transpose(1, 2)

    x = torch.tensor([[[1.0, 2.0], [1.0, -1.0]]])
    found = relevance_of(Sum(), x, torch.ones(1, 2))
    assert torch.allclose(found, torch.tensor([[[1 / 3, 4 / 3], [-1 / 3, 2 / 3]]]))
    x = torch.tensor([[[1.0, 2.0], [3.0, 1.0]]])  # 3 + 2 = 5
    found = relevance_of(Product(), x, torch.ones(1, 1, 1))
    assert torch.allclose(found, torch.tensor([[[0.3, 0.2], [0.3, 0.2]]]))


def test_lrp_of_the_last_attention_is_part_of_the_whole() -> None:
    model = model_named("bert")
    row = of_text(model, "lrp")
    assert (row >= 0).all()
    assert 0 < row.sum() < 1


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_mgae_with_all_heads_is_transformer_attribution(family: str) -> None:
    model = model_named(family)
    whole = of_text(model, "transformer_attribution")
    assert torch.equal(of_text(model, "mgae", heads=torch.ones(2, 4)), whole)
    some = of_text(model, "mgae", heads=torch.tensor([[1, 0, 1, 0], [1, 1, 0, 0]]))
    assert not torch.allclose(some, whole, rtol=1e-3)
    with pytest.raises(ValueError, match=r"mgae: heads of shape \(3, 4\): the model has \[2, 4\]"):
        of_text(model, "mgae", heads=torch.ones(3, 4))


@pytest.mark.parametrize("rules", [attnlrp.ATTN, attnlrp.CP], ids=["attn_lrp", "cp_lrp"])
@pytest.mark.parametrize("family", FAMILIES)
def test_attnlrp_leaves_the_forward_pass_unchanged(family: str, rules: dict) -> None:
    model, (ids, mask) = model_named(family), batch(family)
    inputs = Inputs(ids, mask.bool())
    with following(model, rules, strict=False):
        embedded = model.embed(inputs).detach().requires_grad_()
        logits = read_maps(model, inputs, embedded).logits
    assert logits.requires_grad
    assert torch.allclose(logits, model(ids, mask).logits, atol=1e-4, rtol=1e-4)


def test_attnlrp_conserves_where_nothing_is_added() -> None:
    """Relevance of a product, of an activation and of a norm without bias is what came out."""

    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = (nn.Linear(4, 4, bias=False) for _ in range(2))
            self.norm = nn.LayerNorm(4, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            gated = torch.nn.functional.gelu(self.first(x)) * self.second(x)
            mixed = torch.softmax(x @ x.transpose(1, 2), -1) @ self.norm(gated)
            return mixed.tanh().sum()

    torch.manual_seed(0)
    model, x = Gated(), torch.randn(1, 3, 4).requires_grad_()
    with following(model, attnlrp.CP, strict=False):
        y = model(x)
    relevance = torch.autograd.grad(y, x)[0] * x
    assert relevance.sum().item() == pytest.approx(y.item(), rel=1e-4)
    assert torch.allclose(y, model(x))
