"""Tests of attention against hand-computed values, enumeration, scipy and finite differences."""

from __future__ import annotations

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import kendalltau
from torch import Tensor, nn

from afa_ray.evaluation.adversarial_attention import (
    adversarial_rows,
    divergences,
    possible_divergence,
    search_loss,
)
from afa_ray.evaluation.attefa import adversary_loss, attefa
from afa_ray.evaluation.correlation import (
    by_class,
    correlation,
    deletion_importance,
    gradient_importance,
    importances,
    kendall,
)
from afa_ray.evaluation.distances import jensen_shannon, total_variation
from afa_ray.evaluation.given_attention import decided_by, own_row
from afa_ray.evaluation.permutation import permutation_distance, permuted
from afa_ray.explainers.interface import text_tokens
from afa_ray.models import Target, TargetConfig
from afa_ray.models.interface import Inputs, TargetOutput
from afa_ray.noise import uniform
from tests.unit.test_attention_model import FAMILIES, SINGLE, model_and_inputs

LN2 = math.log(2)


class Weighing:
    """Two classes: p_1 = sigmoid(2 z) with z = sum_t a_t v(w_t), and attention by u(w_t).

    Token 0 is padding and 1 ends a text, with value 0.
    """

    evaluation_batch = 7
    device = torch.device("cpu")

    def __init__(self, values: list[float], salience: list[float] | None = None) -> None:
        self.config = SimpleNamespace(pad_token_id=0, eos_token_id=1, num_labels=2)
        self.values = torch.tensor([0.0, 0.0, *values])
        self.salience = torch.tensor([0.0, 0.0, *(salience or [0.0] * len(values))])

    def embed(self, inputs: Inputs) -> Tensor:
        return torch.stack([self.values[inputs.tokens], torch.ones(inputs.tokens.shape)], -1)

    def decide(
        self, embedded: Tensor, inputs: Inputs, attention: Tensor | None = None
    ) -> TargetOutput:
        if attention is None:
            salience = self.salience[inputs.tokens].masked_fill(~inputs.present, -torch.inf)
            attention = salience.softmax(-1)
        z = (attention * embedded[..., 0]).sum(-1)
        return TargetOutput(logits=torch.stack([-z, z], -1), attention_row=attention)


def texts(*rows: list[int]) -> Inputs:
    length = max(map(len, rows))
    tokens = torch.tensor([row + [0] * (length - len(row)) for row in rows])
    return Inputs(tokens, tokens != 0)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_distances_by_hand() -> None:
    first, second = torch.tensor([[0.7, 0.3], [1.0, 0.0]]), torch.tensor([[0.2, 0.8], [0.0, 1.0]])
    assert total_variation(first, second).tolist() == pytest.approx([0.5, 1.0])
    assert jensen_shannon(first, second)[1].item() == pytest.approx(LN2)
    assert jensen_shannon(first, first).abs().max() < 1e-7
    assert jensen_shannon(first, second)[0].item() == pytest.approx(
        jensenshannon(first[0], second[0]) ** 2, abs=1e-6
    )


def test_the_gradient_by_hand() -> None:
    """Both outputs have the gradient 2 p (1 - p) a_t v_t, of opposite signs."""
    model = Weighing([1.0, -3.0, 0.5], [0.0, 1.0, 2.0])
    inputs = texts([2, 3, 4, 1], [3, 1])
    row = own_row(model, inputs)
    expected = (row[0, :3] * torch.tensor([1.0, 3.0, 0.5])) / 1
    found = gradient_importance(model, inputs)
    assert torch.allclose(found[0, :3], expected / expected.sum(), atol=1e-6)
    assert found[1].tolist() == pytest.approx([1, 0, 0, 0])
    assert torch.allclose(found, gradient_importance(model, inputs, torch.tensor([1, 0])))


def test_what_a_token_changes_by_hand() -> None:
    model = Weighing([1.0, -3.0])
    found = deletion_importance(model, texts([2, 3, 3, 1], [2, 1]))
    whole = sigmoid(2 * (1 - 3 - 3) / 4)
    assert found[0].tolist() == pytest.approx(
        [abs(whole - sigmoid(-4)), *[abs(whole - sigmoid(2 * (1 - 3) / 3))] * 2, 0], abs=1e-6
    )
    assert found[1].tolist() == pytest.approx([sigmoid(1) - 0.5, 0, 0, 0], abs=1e-6)


@pytest.mark.parametrize("name", [*SINGLE, *FAMILIES])
def test_importance_of_every_model(name: str) -> None:
    model, inputs = model_and_inputs(name)
    found = importances(model, inputs)
    assert set(found) == {"attention", "gradient", "deletion"}
    text = text_tokens(model, inputs)
    for scores in found.values():
        assert not scores[~text].any()
        assert (scores >= 0).all()
    sums = found["gradient"].sum(-1)
    assert torch.allclose(sums, torch.ones_like(sums), atol=1e-5)


def test_tau_is_that_of_the_words() -> None:
    first = torch.tensor([[0.1, 0.2, 0.3, 9.0], [0.5, 0.5, 0.5, 0.1], [0.3, 0.1, 0.1, 0.2]])
    second = torch.tensor([[1.0, 3.0, 2.0, 0.0], [1.0, 2.0, 3.0, 0.0], [0.2, 0.1, 0.4, 0.1]])
    text = torch.tensor([[True, True, True, False]] * 2 + [[True] * 4])
    tau, p = kendall(first, second, text)
    assert tau[0] == pytest.approx(1 / 3)  # two pairs agree, one does not
    assert np.isnan(tau[1])
    assert np.isnan(p[1])
    assert (tau[2], p[2]) == pytest.approx(tuple(kendalltau(first[2], second[2])))
    summary = correlation(tau, np.array([0.04, np.nan, 0.2]))
    assert summary == (
        pytest.approx(tau[[0, 2]].mean()),
        pytest.approx(tau[[0, 2]].std()),
        0.5,
        2,
        1,
    )
    of_class = by_class(tau, p, [1, 1, 0])
    assert (of_class[1].texts, of_class[1].constant, of_class[0].texts) == (1, 1, 1)
    assert correlation(tau[1:2], p[1:2]).texts == 0


def test_permutations_are_all_alike_and_leave_what_is_special() -> None:
    row = torch.tensor([[0.4, 0.3, 0.2, 0.1, 0.0]])
    text = torch.tensor([[True, False, True, True, False]])
    noise = uniform(0, 0, torch.arange(1), 6000, 5)
    found = permuted(row, text, noise)[0]
    assert (found[:, 1] == 0.3).all()
    assert (found[:, 4] == 0).all()
    orders, counts = found[:, [0, 2, 3]].unique(dim=0, return_counts=True)
    expected = sorted(itertools.permutations(row[0, [0, 2, 3]].tolist()))
    assert sorted(map(tuple, orders.tolist())) == expected
    assert (counts - 1000).abs().max() < 120  # four standard deviations


def test_the_median_is_that_of_all_permutations() -> None:
    model = Weighing([2.0, -1.0, 0.5, -4.0], [2.0, 1.0, 0.0, 0.5])
    inputs = texts([2, 3, 4, 5, 1], [2, 3, 1])
    row = own_row(model, inputs)
    own = decided_by(model, inputs, row[:, None])[0]
    every = torch.stack(
        [torch.cat([row[0, list(order)], row[0, 4:]]) for order in itertools.permutations(range(4))]
    )
    apart = total_variation(decided_by(model, inputs, every.expand(2, -1, -1))[0], own)
    found = permutation_distance(model, inputs, seed=0, examples=torch.arange(2), permutations=4000)
    middle = apart.sort().values[11:13]  # of 24: the share of either half is one half
    assert middle[0] - 1e-5 <= found[0] <= middle[1] + 1e-5
    alone = permutation_distance(
        model, texts([2, 3, 1]), seed=0, examples=torch.tensor([1]), permutations=4000
    )
    assert alone.item() == pytest.approx(found[1].item())


def test_the_median_lies_in_the_middle_of_two() -> None:
    model, inputs = Weighing([2.0, -1.0], [2.0, 1.0]), texts([2, 3])
    row = own_row(model, inputs)
    swapped = total_variation(*decided_by(model, inputs, torch.stack([row, row.flip(-1)], 1))[0])
    found = [
        permutation_distance(model, inputs, seed=seed, examples=torch.zeros(1, dtype=torch.int64),
                             permutations=2).item()
        for seed in range(30)
    ]  # fmt: skip
    halves = {round(x / swapped.item(), 3) for x in found}
    assert halves == {0.0, 0.5, 1.0}  # of two orders, alike or not


@pytest.mark.parametrize("name", ["one hop", "two hops", "bert", "gpt2"])
def test_a_models_own_row_is_no_permutation(name: str) -> None:
    model, inputs = model_and_inputs(name)
    row = own_row(model, inputs)
    rows = torch.stack([row, row.flip(0)], 1)
    both = decided_by(model, inputs, rows)
    alone = decided_by(model, inputs, row[:, None])
    assert torch.allclose(both[:, :1], alone, atol=1e-5)


def test_the_search_for_other_attention_by_hand() -> None:
    own = torch.tensor([[1.0, 0.0]])
    rows = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
    loss = search_loss(rows, own, torch.tensor([[0.03, 0.0]]))
    assert loss.item() == pytest.approx(500 * 0.02 - LN2 - 2 * LN2 / 4, abs=1e-5)
    flat = torch.tensor([[[0.3, 0.7], [0.6, 0.4]]], dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(
        lambda x: search_loss(x, own.double(), 0.1 * x[..., 0] + 0.02), (flat,)
    )


def test_other_attention_is_found_where_the_decision_does_not_need_it() -> None:
    """Words that say the same, or one word that says all: within .05 no weight can leave it."""
    inputs, first = texts([2, 3, 4, 5, 1]), torch.zeros(1, dtype=torch.int64)
    same = Weighing([0.0, 0.0, 0.0, 0.0], [6.0, 0.0, 0.0, 0.0])
    rows = adversarial_rows(same, inputs, seed=0, examples=first, steps=300)
    assert torch.allclose(rows.sum(-1), torch.ones(1, 5))
    assert torch.allclose(rows[..., 4], own_row(same, inputs)[:, 4, None].expand(-1, 5))
    assert divergences(same, inputs, rows).max().item() > 0.6
    one = Weighing([9.0, -9.0, -9.0, -9.0], [4.0, 0.0, 0.0, 0.0])
    one_row = adversarial_rows(one, inputs, seed=0, examples=first, steps=300)
    assert divergences(one, inputs, one_row).max().item() < 0.2
    moved = torch.tensor([[[0.0, 0.5, 0.5, 0.0, 0.0]]])
    assert divergences(one, inputs, moved).max().item() == 0


def test_the_search_of_a_text_does_not_depend_on_its_batch() -> None:
    model = Weighing([2.0, -1.0, 0.5, -4.0], [2.0, 1.0, 0.0, 0.5])
    both = adversarial_rows(
        model, texts([2, 3, 4, 5, 1], [2, 3, 1]), seed=0, examples=torch.tensor([7, 3]), steps=40
    )
    alone = adversarial_rows(
        model, texts([2, 3, 1]), seed=0, examples=torch.tensor([3]), steps=40
    )  # fmt: skip
    assert torch.allclose(both[1:, :, :3], alone, atol=1e-5)


def test_no_row_diverges_more_than_all_at_the_least_attended_word() -> None:
    row = torch.tensor([[0.5, 0.2, 0.3, 0.0], [0.1, 0.4, 0.0, 0.5]])
    text = torch.tensor([[True, True, True, False], [True, True, False, False]])
    found = possible_divergence(row, text)
    corners = [torch.tensor([[0.0, 1.0, 0.0, 0.0]]), torch.tensor([[0.5, 0.0, 0.0, 0.5]])]
    for i, corner in enumerate(corners):
        assert found[i].item() == pytest.approx(jensen_shannon(corner, row[i : i + 1]).item())
    shares = torch.distributions.Dirichlet(torch.full((3,), 0.3)).sample((3000,))
    others = torch.cat([shares, torch.zeros(3000, 1)], 1)
    assert jensen_shannon(others, row[:1]).max() < found[0] + 1e-6
    alone = possible_divergence(torch.tensor([[1.0, 0.0]]), torch.tensor([[True, False]]))
    assert alone.item() == pytest.approx(0, abs=1e-6)


def test_equal_words_are_ties_though_float32_rounds_them_apart() -> None:
    text = torch.ones(1, 6, dtype=torch.bool)
    exact = torch.tensor([[0.3, 0.1, 0.1, 0.1, 0.4, 0.1]], dtype=torch.float64)
    noisy = exact + 3e-8 * torch.tensor([[0, 1.0, -1.0, 0.5, 0, -0.5]])
    other = torch.tensor([[0.2, 0.1, 0.3, 0.15, 0.5, 0.05]])
    (tau,), _ = kendall(noisy.float(), other, text)
    assert tau == pytest.approx(kendalltau(exact[0], other[0]).statistic)
    assert tau != pytest.approx(kendalltau(noisy[0], other[0]).statistic)


def test_gradients_of_three_classes_are_finite_differences() -> None:
    torch.manual_seed(0)
    settings = TargetConfig(vocab_size=20, hidden_size=8, num_attention_heads=2, hops=1,
                            dropout=0.0, max_position_embeddings=12, num_labels=3)  # fmt: skip
    model = Target(settings).eval()
    for weight in model.parameters():
        nn.init.normal_(weight, 0.0, 0.4)
    inputs = texts([6, 7, 8, 9])
    row, embedded = own_row(model, inputs), model.embed(inputs).detach()

    def along(token: int) -> Tensor:
        """(C,) change of the probabilities as the token's embedding grows along itself."""
        step = torch.zeros_like(embedded)
        step[:, token] = 0.01 * embedded[:, token]
        ends = [model.decide(embedded + sign * step, inputs, row).logits for sign in (1, -1)]
        return (ends[0].softmax(-1) - ends[1].softmax(-1))[0] / 0.02

    expected = torch.stack([along(token).detach().abs().sum() for token in range(4)])
    found = gradient_importance(model, inputs)[0]
    expected = torch.where(found > 0, expected, 0.0)  # what ends a text is none of its words
    assert (found > 0).sum() >= 3
    assert torch.allclose(found, expected / expected.sum(), atol=1e-3)


def test_attefa_by_hand() -> None:
    assert attefa(0.1, LN2 / 2) == pytest.approx(0.2)
    assert attefa(0.6, LN2 / 2) == 1
    assert attefa(0.0, 0.0) == 1
    loss = adversary_loss(
        torch.tensor([[0.7, 0.3]]), torch.tensor([[0.5, 0.5]]),
        torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]),
    )  # fmt: skip
    assert loss.item() == pytest.approx(0.2 - 1)


@pytest.mark.parametrize("name", SINGLE)
def test_rows_that_are_read_at_once_decide_as_one_by_one(name: str) -> None:
    model, inputs = model_and_inputs(name)
    rows = torch.rand(len(inputs.tokens), 3, inputs.tokens.shape[1]) * inputs.present[:, None]
    rows = (rows / rows.sum(-1, keepdim=True)).requires_grad_()
    found = decided_by(model, inputs, rows)
    for k in range(3):
        logits = model.decide(model.embed(inputs), inputs, rows[:, k]).logits
        assert logits is not None
        assert torch.allclose(found[:, k], logits.softmax(-1), atol=1e-6)
    (slope,) = torch.autograd.grad(found[0, 1, 0], rows)
    assert (slope.abs().sum((1, 2)) > 0).tolist() == [True, False, False, False]
    assert (slope[0, [0, 2]] == 0).all()
