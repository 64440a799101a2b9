"""Words that attention chose itself: rounds and loss, by hand and on texts that are known."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from afa_ray.config import Settings
from afa_ray.data.corpus import Corpus
from afa_ray.objectives.pssa import Pssa, shares
from tests.unit.test_sana import learner_of, updated

MakeSettings = Callable[..., Settings]


def test_equal_shares_and_none_by_hand() -> None:
    row = torch.tensor([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.5, 0.3, 0.2]])
    found = torch.tensor([[1.0, 0.0, 1.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    assert shares(row, found).tolist() == pytest.approx([0.09, 0.25 + 0.49, 0])


def test_each_round_finds_the_word_looked_at_most_without_those_before(
    tiny_settings: MakeSettings, small_corpus: Corpus, tmp_path: Path
) -> None:
    values = {"afa.lambda_adv": 0.0, "supervision.method": "pssa", "train.target_lr": 5e-3}
    learner = updated(learner_of(tiny_settings(values), small_corpus, tmp_path), small_corpus, 20)
    ((pssa, weight),) = learner.objectives
    assert isinstance(pssa, Pssa)
    assert weight == 0.1
    before = pssa.state.numbers.detach().clone()
    assert int((before != 0).sum()) == len(small_corpus.train)  # one round so far
    found = pssa.rounds.of_tokens(pssa.state, pssa.find)
    assert not ((found != 0) & (before != 0)).any()
    for text in range(20):
        begin, end = small_corpus.train.offsets[text : text + 2]
        tokens = torch.from_numpy(small_corpus.train.tokens[begin:end]).long()
        left = torch.arange(len(tokens))[before[begin:end] == 0]
        target = learner.target.eval()
        output = target(tokens[left][None])
        looked = left[1:-1][output.attention_row[0, 1:-1].argmax()]
        right = output.logits.argmax(-1)[0] == small_corpus.train.labels[text]
        value = found[begin + looked]
        assert value == (1 if right else -1)
        assert int((found[begin:end] != 0).sum()) == 1


def test_rounds_end(tiny_settings: MakeSettings, small_corpus: Corpus, tmp_path: Path) -> None:
    values = {"afa.lambda_adv": 0.0, "supervision.method": "pssa"}
    learner = updated(learner_of(tiny_settings(values), small_corpus, tmp_path), small_corpus, 81)
    ((pssa, _),) = learner.objectives
    assert isinstance(pssa, Pssa)
    offsets = small_corpus.train.offsets
    numbers = [int((pssa.state.numbers[a:b] != 0).sum()) for a, b in pairwise(offsets)]
    words = small_corpus.train.lengths - 2
    assert numbers == [min(5, n - 1) for n in words.tolist()]
