"""Word2vec initialisation of the word embeddings, trained on the training texts only."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from afa_ray.progress import Task
from afa_ray.whole_files import whole

EPOCHS = 5
WINDOW = 5
INITIAL_SCALE = 0.02  # standard deviation of the entries, that of all other embeddings


def cache_folder() -> Path:
    """Where prepared vectors are kept: `AFA_CACHE_DIR`, else the user's cache folder."""
    if "AFA_CACHE_DIR" in os.environ:
        return Path(os.environ["AFA_CACHE_DIR"])
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "afa_ray"


@dataclass(frozen=True, eq=False)
class Sentences:
    """Packed texts as gensim reads them: word by word, in strings, several times.

    Attributes:
        tokens: (T,) int32, each text between two special tokens, which are no words of it.
        offsets: (N + 1,) int64 into it.
    """

    tokens: np.ndarray
    offsets: np.ndarray

    def __iter__(self) -> Iterator[list[str]]:
        names = [str(token) for token in range(self.tokens.max(initial=0) + 1)]
        for number in range(len(self.offsets) - 1):
            text = self.tokens[self.offsets[number] + 1 : self.offsets[number + 1] - 1]
            yield [names[token] for token in text.tolist()]

    def digest(self) -> bytes:
        """Of the words and where the texts end."""
        return (
            hashlib.sha256(self.tokens.data).digest() + hashlib.sha256(self.offsets.data).digest()
        )


@dataclass(frozen=True, eq=False)
class _Counted:
    """Sentences of which a task counts those that have been read."""

    sentences: Sentences
    task: Task

    def __iter__(self) -> Iterator[list[str]]:
        for sentence in self.sentences:
            yield sentence
            self.task.advance(1)


def word_vectors(sentences: Sentences, vocab_size: int, size: int, seed: int) -> np.ndarray:
    """Vectors for every word of the vocabulary, from the cache where these sentences are in it.

    Args:
        vocab_size: V; size: d; seed: fixes the result (one training thread).

    Returns:
        (V, d) float32, centred and scaled to standard deviation `INITIAL_SCALE`; ids that do not
        occur in `sentences` get normal noise of the same scale.
    """
    recipe = (version("gensim"), vocab_size, size, seed, EPOCHS, WINDOW, INITIAL_SCALE)
    digest = hashlib.sha256(repr(recipe).encode() + sentences.digest()).hexdigest()
    path = cache_folder() / f"word2vec-{digest[:32]}.safetensors"
    if path.is_file():
        return load_file(path)["vectors"]
    with Task("training word vectors", EPOCHS * (len(sentences.offsets) - 1)) as task:
        vectors = train_word_vectors(sentences, vocab_size, size, seed, task)
    _keep(vectors, path)
    return vectors


def _keep(vectors: np.ndarray, path: Path) -> None:
    """Put them into the cache; one that cannot be written only costs time."""
    with contextlib.suppress(OSError, SafetensorError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as unfinished:
            save_file({"vectors": vectors}, unfinished)


def train_word_vectors(
    sentences: Sentences, vocab_size: int, size: int, seed: int, task: Task | None = None
) -> np.ndarray:
    """Train with gensim's Word2Vec; see `word_vectors`. `task` counts the texts."""
    from gensim.models import Word2Vec

    noise = np.random.default_rng(seed).standard_normal((vocab_size, size), dtype=np.float32)
    vectors = noise * np.float32(INITIAL_SCALE)
    model = Word2Vec(
        vector_size=size,
        window=WINDOW,
        epochs=EPOCHS,
        min_count=1,
        seed=seed,
        workers=1,  # more threads would make the result depend on their timing
    )
    model.build_vocab(sentences)
    if len(model.wv) < 2:
        return vectors  # nothing keeps anything company
    model.train(
        sentences if task is None else _Counted(sentences, task),
        total_examples=model.corpus_count,
        total_words=model.corpus_total_words,
        epochs=EPOCHS,
    )
    trained = model.wv.vectors - model.wv.vectors.mean(0)
    ids = np.array([int(word) for word in model.wv.index_to_key])
    vectors[ids] = trained * (INITIAL_SCALE / trained.std())
    return vectors
