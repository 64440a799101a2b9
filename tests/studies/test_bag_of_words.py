"""The baseline without attention."""

import numpy as np
import pytest

from afa_ray.data.packed import PackedTexts
from studies.evidence import bag_of_words

pytestmark = pytest.mark.usefixtures("fewer_texts")


def test_words_are_counted() -> None:
    texts = PackedTexts(
        np.array([2, 5, 5, 3, 2, 6, 3], np.int32), np.array([0, 4, 7]), np.array([0, 1]), None, 0
    )
    counts = bag_of_words.counts(texts, 8)
    assert counts.nnz == 6  # a word that stands twice is one entry
    assert counts.toarray().tolist() == [
        [0, 0, 1, 1, 0, 2, 0, 0],
        [0, 0, 1, 1, 0, 0, 1, 0],
    ]


def test_planted_words_are_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert bag_of_words.main(["--data.name", "mock-3", "--data.split_seed", "0"]) == 0
    said = capsys.readouterr().out
    accuracy = float(said.split("accuracy ")[1].split()[0])
    assert accuracy > 0.9, said


def test_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert bag_of_words.main(["--data.name", "no-such-set"]) == 2
    assert "no-such-set" in capsys.readouterr().err
