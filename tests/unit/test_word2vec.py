"""Word vectors: reproducible, cached by content, from the given sentences only."""

import numpy as np
import pytest

from afa_ray.config import Settings
from afa_ray.data import word2vec
from afa_ray.data.word2vec import INITIAL_SCALE, Sentences, word_vectors
from afa_ray.dotted import override


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("AFA_CACHE_DIR", str(tmp_path / "cache"))


def packed(texts: list[list[int]]) -> Sentences:
    """With special tokens 2 and 3 around each text."""
    rows = [[2, *text, 3] for text in texts]
    offsets = np.cumsum([0, *map(len, rows)])
    return Sentences(np.concatenate(rows).astype(np.int32), offsets)


def sentences(seed: int = 0) -> Sentences:
    """Words 5-9 keep each other's company, and so do words 10-14."""
    random = np.random.default_rng(seed)
    low = random.choice([5, 10], 400)
    return packed([random.integers(first, first + 5, 12).tolist() for first in low])


def test_sentences_are_the_words_between_special_tokens_as_often_as_wanted() -> None:
    read = packed([[5, 6, 5], [], [7]])
    assert list(read) == list(read) == [["5", "6", "5"], [], ["7"]]


def test_vectors_are_those_of_gensim_from_lists_of_words() -> None:
    from gensim.models import Word2Vec

    model = Word2Vec(
        list(sentences()), vector_size=16, window=5, epochs=5, min_count=1, seed=0, workers=1
    )
    raw = model.wv[[str(word) for word in range(5, 15)]]
    raw = (raw - raw.mean(0)) * (INITIAL_SCALE / (raw - raw.mean(0)).std())
    found = word2vec.train_word_vectors(sentences(), 20, 16, seed=0)[5:15]
    assert np.allclose(found, raw, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("texts", [[[], []], [[5], [5, 5]]])
def test_fewer_than_two_words_get_noise(texts: list[list[int]]) -> None:
    vectors = word2vec.train_word_vectors(packed(texts), 400, 16, seed=0)
    assert vectors.std() == pytest.approx(INITIAL_SCALE, rel=0.05)


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
    word_vectors(packed([[5, 6], [7]]), 20, 16, seed=0)
    word_vectors(packed([[5], [6, 7]]), 20, 16, seed=0)
    assert len(trained) == 7
    assert {p.suffix for p in word2vec.cache_folder().iterdir()} == {".safetensors"}


@pytest.mark.parametrize(
    ("name", "given", "begins"),
    [("transformer", None, True), ("transformer", False, False), ("lstm", None, False),
     ("average", None, False), ("cnn", True, True)],
)  # fmt: skip
def test_whose_words_begin_with_them(name: str, given: bool | None, begins: bool) -> None:
    settings = override(Settings(), {"target.name": name, "target.word2vec": given})
    assert settings.target.begins_with_word2vec is begins
