"""E3 and E4, by enumeration and against numbers worked out by hand."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from afa_ray.noise import uniform
from afa_ray.objectives.policy import (
    Choice,
    attention_entropy,
    log_prob,
    log_prob_plackett_luce,
    log_prob_topk,
    select,
    unit_scores,
)

ROW = torch.tensor([[0.1, 0.4, 0.2, 0.25, 0.05]], dtype=torch.float64)
ALL = torch.ones(1, 5, dtype=torch.bool)


def choice_of(orders: list[tuple[int, ...]], length: int) -> Choice:
    """The given ordered draws as the M samples of one sequence."""
    picks = torch.tensor([orders])
    masks = torch.zeros(1, len(orders), length, dtype=torch.bool).scatter(-1, picks, True)
    return Choice(picks, torch.ones_like(picks, dtype=torch.bool), masks)


def orders_of(length: int, k: int) -> list[tuple[int, ...]]:
    return list(itertools.permutations(range(length), k))


def test_topk_log_probability_by_hand() -> None:
    choice = choice_of([(1, 3), (0, 4)], 5)
    expected = [math.log(0.4) + math.log(0.25), math.log(0.1) + math.log(0.05)]
    assert log_prob_topk(ROW, ALL, choice)[0].tolist() == pytest.approx(expected)


def test_topk_renormalises_over_maskable_tokens() -> None:
    maskable = torch.tensor([[False, True, True, True, False]])
    expected = math.log(0.4 / 0.85) + math.log(0.2 / 0.85)
    got = log_prob_topk(ROW, maskable, choice_of([(1, 2)], 5))
    assert got.item() == pytest.approx(expected)


def test_topk_gradient_by_hand() -> None:
    # d/da_j of sum_S log a_i - k log sum a = 1[j in S] / a_j - k / sum a, and sum a = 1
    row = ROW.clone().requires_grad_()
    log_prob_topk(row, ALL, choice_of([(1, 3)], 5)).sum().backward()
    assert row.grad is not None
    assert row.grad[0].tolist() == pytest.approx([-2, 1 / 0.4 - 2, -2, 1 / 0.25 - 2, -2])


def test_plackett_luce_by_hand() -> None:
    attention = 0.4 * 0.25 / (1 - 0.4)
    uniformly = 1 / (5 * 4)
    got = log_prob_plackett_luce(ROW, ALL, choice_of([(1, 3)], 5), epsilon=0.2)
    assert got.item() == pytest.approx(math.log(0.8 * attention + 0.2 * uniformly))


@pytest.mark.parametrize("epsilon", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_plackett_luce_probabilities_sum_to_one(k: int, epsilon: float) -> None:
    choice = choice_of(orders_of(5, k), 5)
    total = log_prob_plackett_luce(ROW, ALL, choice, epsilon).exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("epsilon", [0.0, 0.3])
def test_score_function_gradient_is_the_gradient_of_the_expected_reward(epsilon: float) -> None:
    scores = torch.tensor([[0.3, -1.0, 0.8, 0.1]], dtype=torch.float64, requires_grad=True)
    orders = orders_of(4, 2)
    rewards = torch.tensor([(1 + i) ** 2 / (1 + j) for i, j in orders], dtype=torch.float64)
    maskable = torch.ones(1, 4, dtype=torch.bool)
    log_probs = log_prob_plackett_luce(scores.softmax(-1), maskable, choice_of(orders, 4), epsilon)[
        0
    ]
    (exact,) = torch.autograd.grad((log_probs.exp() * rewards).sum(), scores, retain_graph=True)
    # E[(r - b) grad log pi]: any constant baseline b leaves the expectation as it is
    weights = log_probs.detach().exp() * (rewards - 0.7)
    (by_score_function,) = torch.autograd.grad((weights * log_probs).sum(), scores)
    assert torch.allclose(exact, by_score_function, atol=1e-12)
    assert exact.abs().max() > 0.1


def frequencies(policy: str, epsilon: float, k: int, draws: int = 40_000) -> dict[tuple, float]:
    noise = uniform(0, 0, torch.arange(draws), 1, 6)
    rows = ROW.float().expand(draws, -1)
    choice = select(rows, ALL.expand(draws, -1), noise, k, epsilon, policy)  # type: ignore[arg-type]
    counts: dict[tuple, float] = {}
    for order in choice.picks[:, 0].tolist():
        counts[tuple(order)] = counts.get(tuple(order), 0) + 1 / draws
    return counts


@pytest.mark.parametrize("epsilon", [0.0, 0.4, 1.0])
def test_plackett_luce_draws_with_its_own_probabilities(epsilon: float) -> None:
    seen = frequencies("plackett-luce", epsilon, k=2)
    orders = orders_of(5, 2)
    expected = log_prob_plackett_luce(ROW, ALL, choice_of(orders, 5), epsilon).exp()[0].tolist()
    for order, probability in zip(orders, expected, strict=True):
        error = math.sqrt(probability * (1 - probability) / 40_000)
        assert abs(seen.get(order, 0) - probability) < 4.5 * error


def test_topk_takes_the_top_k_and_explores_with_probability_epsilon() -> None:
    assert frequencies("topk", 0.0, k=2) == {(1, 3): pytest.approx(1)}
    seen = frequencies("topk", 0.4, k=2)
    by_set = sum(p for order, p in seen.items() if set(order) == {1, 3})
    assert by_set == pytest.approx(0.6 + 0.4 / 10, abs=0.01)
    assert len(seen) == 20  # every order of two comes up when exploring


@pytest.mark.parametrize("policy", ["topk", "plackett-luce"])
def test_only_maskable_tokens_are_chosen_and_all_where_there_are_few(policy: str) -> None:
    row = torch.rand(3, 6).softmax(-1)
    maskable = torch.tensor(
        [[0, 1, 1, 1, 1, 0], [0, 1, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0]], dtype=torch.bool
    )
    noise = uniform(0, 3, torch.arange(3), 8, 7)
    choice = select(row, maskable, noise, 3, 0.5, policy)  # type: ignore[arg-type]
    assert not (choice.masks & ~maskable[:, None]).any()
    assert choice.masks.sum(-1).tolist() == [[3] * 8, [2] * 8, [0] * 8]
    log_probs = log_prob(row, maskable, choice, 0.5, policy)  # type: ignore[arg-type]
    assert torch.isfinite(log_probs).all()
    assert (log_probs[2] == 0).all()
    if policy == "plackett-luce":  # two tokens, all chosen: some order of them, the two sum to one
        orders = {tuple(p[:2]): lp.exp() for p, lp in zip(choice.picks[1].tolist(), log_probs[1])}  # noqa: B905
        assert sum(orders.values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("policy", ["topk", "plackett-luce"])
def test_a_concentrated_row_gives_finite_values_and_gradients(policy: str) -> None:
    scores = torch.tensor([[200.0, 0.0, -200.0, 10.0]], requires_grad=True)
    maskable = torch.ones(1, 4, dtype=torch.bool)
    choice = choice_of([(0, 3), (2, 1), (0, 1)], 4)
    log_probs = log_prob(scores.softmax(-1), maskable, choice, 0.0, policy)  # type: ignore[arg-type]
    log_probs.sum().backward()
    assert torch.isfinite(log_probs).all()
    assert scores.grad is not None
    assert torch.isfinite(scores.grad).all()


def test_more_tokens_asked_for_than_positions() -> None:
    noise = uniform(0, 0, torch.arange(1), 2, 6)
    choice = select(ROW.float(), ALL, noise, 9, 0.2, "topk")
    assert choice.masks.all()


def test_entropy_by_hand() -> None:
    rows = torch.tensor([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]])
    expected: Tensor = torch.tensor([math.log(2), 0.0, math.log(3)])
    assert torch.allclose(attention_entropy(rows), expected)


def test_a_word_has_the_sum_of_its_pieces() -> None:
    """By hand: tokens 1 and 3 are a word of which 3 may not be masked; 2 and 4 are another."""
    maskable = torch.tensor([[False, True, True, False, True]])
    row = ROW.clone().requires_grad_()
    scores, eligible = unit_scores(row, maskable, torch.tensor([[0, 1, 2, 1, 2]]))
    assert scores[0].tolist() == pytest.approx([0, 0.4, 0.2 + 0.05, 0, 0])
    assert eligible[0].tolist() == [False, True, True, False, False]
    scores[0, 2].backward()
    assert row.grad is not None
    assert row.grad[0].tolist() == [0, 0, 1, 0, 1]


def test_words_are_chosen_by_their_sum() -> None:
    """Two pieces of .2 beat one of .3."""
    row = torch.tensor([[0.1, 0.2, 0.3, 0.2, 0.2]])
    units = torch.tensor([[0, 1, 2, 1, 3]])
    scores, eligible = unit_scores(row, ALL, units)
    choice = select(scores, eligible, torch.full((1, 1, 6), 0.5), 1, 0.0, "topk")
    assert choice.picks.tolist() == [[[1]]]
