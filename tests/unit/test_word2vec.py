"""Word vectors: reproducible, cached by content, from the given sentences only."""

import numpy as np
import pytest

from afa_ray.models import word2vec
from afa_ray.models.word2vec import INITIAL_SCALE, word_vectors


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("AFA_CACHE_DIR", str(tmp_path / "cache"))


def sentences(seed: int = 0) -> list[np.ndarray]:
    """Words 5-9 keep each other's company, and so do words 10-14."""
    random = np.random.default_rng(seed)
    return [random.integers(low, low + 5, 12) for low in random.choice([5, 10], 400)]


def test_vectors_are_reproducible_and_scaled() -> None:
    first = word2vec.train_word_vectors(sentences(), 20, 16, seed=0)
    again = word2vec.train_word_vectors(sentences(), 20, 16, seed=0)
    other = word2vec.train_word_vectors(sentences(), 20, 16, seed=1)
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)
    assert first.shape == (20, 16)
    assert first.dtype == np.float32
    assert first[5:15].std() == pytest.approx(INITIAL_SCALE, rel=1e-3)
    assert 0.5 * INITIAL_SCALE < first[15:].std() < 1.5 * INITIAL_SCALE  # words never seen


def test_words_in_the_same_company_are_close() -> None:
    vectors = word2vec.train_word_vectors(sentences(), 20, 16, seed=0)[5:15]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = unit @ unit.T
    within = (cosine[:5, :5].sum() + cosine[5:, 5:].sum() - 10) / 40
    assert within > cosine[:5, 5:].mean() + 0.5


def test_the_cache_is_by_content(monkeypatch) -> None:
    trained = []
    original = word2vec.train_word_vectors

    def counting(*arguments):
        trained.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(word2vec, "train_word_vectors", counting)
    first = word_vectors(sentences(), 20, 16, seed=0)
    assert np.array_equal(word_vectors(sentences(), 20, 16, seed=0), first)
    assert len(trained) == 1
    word_vectors(sentences(1), 20, 16, seed=0)
    word_vectors(sentences(), 21, 16, seed=0)
    word_vectors(sentences(), 20, 8, seed=0)
    word_vectors(sentences(), 20, 16, seed=2)
    assert len(trained) == 5
    assert {p.suffix for p in word2vec.cache_folder().iterdir()} == {".safetensors"}
