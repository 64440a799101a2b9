"""Word vectors from a file: right ones in right places, or a complaint that helps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from afa_ray.data.vector_file import read_vectors
from afa_ray.data.word2vec import INITIAL_SCALE
from afa_ray.errors import UserError
from tests.unit.test_train_command import csv, refuse

__all__ = ["refuse"]  # a fixture
WORDS = ["[PAD]", "red", "green", "blue"]


def written(folder: Path, text: str | bytes) -> str:
    file = folder / "vectors.txt"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(file)


def test_vectors_are_centred_scaled_and_by_word(tmp_path: Path) -> None:
    file = written(tmp_path, "3 2\nblue 1 2\nunheard 9 9\nred 3 -4\n")
    found = read_vectors(file, WORDS, 2, seed=0)
    raw = np.array([[3, -4], [1, 2]], np.float32)
    raw -= raw.mean(0)
    assert np.allclose(found[[1, 3]], raw * INITIAL_SCALE / raw.std())
    assert found.dtype == np.float32
    assert found[[0, 2]].all()  # noise
    assert np.array_equal(found, read_vectors(file, WORDS, 2, seed=0))


def test_the_first_of_two_vectors_of_a_word_counts(tmp_path: Path) -> None:
    once = read_vectors(written(tmp_path, "2 1\nred 1\nblue 2\n"), WORDS, 1, seed=0)
    twice = read_vectors(written(tmp_path, "3 1\nred 1\nblue 2\nred 7\n"), WORDS, 1, seed=0)
    assert np.array_equal(once, twice)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "first line must be two numbers"),
        ("red 1 2\nblue 2 3\n", "first line must be two numbers"),
        ("2 3\nred 1 2 3\nblue 1 2 3\n", "3 wide; give target.hidden_size = 3"),
        ("2 2\nred 1 2\nblue 1\n", "line 3 has 1 numbers, not 2"),
        ("2 2\nred 1 2\nblue 1 2 3\n", "line 3 has 3 numbers, not 2"),
        ("2 2\nred 1 2\nblue 1 x\n", "line 3: a word must be followed by finite numbers"),
        ("2 2\nred 1 2\nblue 1 nan\n", "line 3: a word must be followed by finite numbers"),
        ("3 2\nred 1 2\nblue 1 3\n", "the first line says 3 words, and there are 2"),
        ("2 2\none 1 2\ntwo 1 3\n", "none of its words occurs"),
        ("2 2\nred 1 2\nblue 1 2\n", "are the same"),
        (b"2 2\nred 1 2\nbl\xff 1 2\n", "cannot be read"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(UserError, match=r"target\.vectors = .*vectors\.txt: ") as caught:
        read_vectors(written(tmp_path, text), WORDS, 2, seed=0)
    assert message in str(caught.value)


def test_the_command_refuses_before_anything_is_written(refuse, tmp_path: Path) -> None:
    rows = "".join(f"{'good' if i % 2 else 'bad'} text number {i},{i % 2}\n" for i in range(40))
    file = csv(tmp_path, "text,label\n" + rows)
    nowhere = ["--data.train_file", file, "--target.vectors", str(tmp_path / "nowhere.txt")]
    assert "nowhere.txt: cannot be read" in refuse(*nowhere)
    narrow = written(tmp_path, "1 2\ngood 1 2\n")
    message = refuse("--data.train_file", file, "--target.vectors", narrow)
    assert "its vectors are 2 wide" in message
    assert "word vectors already" in refuse("--target.name", "mine", "--target.vectors", narrow)
