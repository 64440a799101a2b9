"""The rows of attention that are wanted, by hand."""

from typing import Any

import torch

from afa_ray.data.parts import Part
from afa_ray.objectives.wanted import AtRandom, ByScore, TopWords, highest, top_words
from afa_ray.objectives.words import Words, WordTable

WORDS = Words((0, 1), pieces=False)  # padding, and the ends of texts


def part(tokens: list[list[int]], labels: list[int] | None = None, **more: Any) -> Part:
    count = len(tokens)
    found = {
        "number": 0, "tokens": torch.tensor(tokens), "weight": 1.0,
        "labels": torch.tensor(labels or [0] * count), "examples": torch.arange(count),
        "partners": None, "units": None, "marks": None, "query": None,
    }  # fmt: skip
    return Part(**(found | more))


def table(values: Any) -> WordTable:
    numbers = torch.tensor(values)
    return WordTable(torch.arange(2, 2 + len(numbers)), numbers, torch.device("cpu"), size=10)


def test_by_score() -> None:
    texts = part([[1, 2, 3, 2, 1], [1, 4, 1, 0, 0]])
    wanted = ByScore(WORDS, table([0.5, 2.0, 0.0]))(texts)
    assert wanted.tolist() == [[0, 0.5, 2, 0.5, 0], [0, 0, 0, 0, 0]]


def test_by_score_of_the_texts_own_class() -> None:
    texts = part([[1, 2, 3, 1], [1, 2, 3, 1]], labels=[0, 1])
    wanted = ByScore(WORDS, table([[0.5, 1.0], [2.0, 3.0]]))(texts)
    assert wanted.tolist() == [[0, 0.5, 2, 0], [0, 1, 3, 0]]


def test_top_words_count_a_words_occurrences_and_mark_them_all() -> None:
    texts = part([[1, 2, 3, 2, 4, 1]])
    scores = ByScore(WORDS, table([1.0, 1.5, 0.0]))  # 2 twice: 2 in all
    assert TopWords(scores, 0.15)(texts).tolist() == [[0, 1, 0, 1, 0, 0]]
    assert TopWords(scores, 0.5)(texts).tolist() == [[0, 1, 1, 1, 0, 0]]
    assert TopWords(scores, 1.0)(texts).tolist() == [[0, 1, 1, 1, 0, 0]]  # 4 has no score
    even = ByScore(WORDS, table([1.0, 1.0, 1.0]))
    assert TopWords(even, 0.1)(part([[1, 4, 3, 2, 1]])).tolist() == [[0, 1, 0, 0, 0]]  # the earlier


def test_pieces_of_a_word_count_once() -> None:
    keys = torch.tensor([[-1, 7, 7, 7, 5, 5, -1]])  # a word of three pieces, and 5 twice
    units = torch.tensor([[0, 0, 0, 0, 1, 2, 0]])
    scores = torch.tensor([[0.0, 1.0, 1.0, 1.0, 0.9, 0.9, 0.0]])
    top = top_words(scores, keys, torch.tensor([1.0]), 2, units)
    assert top.tolist() == [[False, False, False, False, True, True, False]]


def test_highest() -> None:
    scores = torch.tensor([[0.0, 2.0, 1.0, 2.0], [0.0, 0.0, 0.0, 1.0]])
    found = highest(scores, torch.tensor([2, 2]), 3)
    assert found.tolist() == [[False, True, False, True], [False, False, False, True]]
    equal = highest(torch.ones(1, 4), torch.tensor([2]), 4)
    assert equal.tolist() == [[True, True, False, False]]


def test_at_random_is_the_same_for_a_text_wherever_it_stands() -> None:
    tokens = [[1, *range(2, 10), 1, 0, 0], [1, 2, 3, 1, *[0] * 8]]
    wanted = AtRandom(WORDS, 0.25, seed=3)
    both = wanted(part(tokens))
    assert both.sum(1).tolist() == [2, 1]
    assert not both[~WORDS.maskable(torch.tensor(tokens))].any()
    alone = wanted(part([tokens[1][:4]], examples=torch.tensor([1])))
    assert alone.tolist() == both[1:, :4].tolist()
    assert not torch.equal(AtRandom(WORDS, 0.25, seed=4)(part(tokens)), both)
