"""Word2vec initialisation of the word embeddings, trained on the training texts only."""

from __future__ import annotations

import contextlib
import hashlib
import os
from importlib.metadata import version
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

EPOCHS = 5
WINDOW = 5
INITIAL_SCALE = 0.02  # standard deviation of the entries, that of all other embeddings


def cache_folder() -> Path:
    """Where prepared vectors are kept: `AFA_CACHE_DIR`, else the user's cache folder."""
    if "AFA_CACHE_DIR" in os.environ:
        return Path(os.environ["AFA_CACHE_DIR"])
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "afa_ray"


def word_vectors(sentences: list[np.ndarray], vocab_size: int, size: int, seed: int) -> np.ndarray:
    """Vectors for every word of the vocabulary, from the cache where these sentences are in it.

    Args:
        sentences: token ids of each training text, without special tokens.
        vocab_size: V; size: d; seed: fixes the result (one training thread).

    Returns:
        (V, d) float32, centred and scaled to standard deviation `INITIAL_SCALE`; ids that do not
        occur in `sentences` get normal noise of the same scale.
    """
    digest = hashlib.sha256()
    recipe = (version("gensim"), vocab_size, size, seed, EPOCHS, WINDOW, INITIAL_SCALE)
    digest.update(repr(recipe).encode())
    for sentence in sentences:
        digest.update(sentence.astype(np.int64).tobytes() + b"|")
    path = cache_folder() / f"word2vec-{digest.hexdigest()[:32]}.safetensors"
    if path.is_file():
        return load_file(path)["vectors"]
    vectors = train_word_vectors(sentences, vocab_size, size, seed)
    with contextlib.suppress(OSError):  # a cache that cannot be written only costs time
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}")
        save_file({"vectors": vectors}, unfinished)
        unfinished.replace(path)
    return vectors


def train_word_vectors(
    sentences: list[np.ndarray], vocab_size: int, size: int, seed: int
) -> np.ndarray:
    """Train with gensim's Word2Vec; see `word_vectors`."""
    from gensim.models import Word2Vec

    noise = np.random.default_rng(seed).standard_normal((vocab_size, size), dtype=np.float32)
    vectors = noise * np.float32(INITIAL_SCALE)
    if len(np.unique(np.concatenate(sentences))) < 2:
        return vectors  # nothing keeps anything company
    words = [[str(token) for token in sentence] for sentence in sentences]
    model = Word2Vec(
        words,
        vector_size=size,
        window=WINDOW,
        epochs=EPOCHS,
        min_count=1,
        seed=seed,
        workers=1,  # more threads would make the result depend on their timing
    )
    trained = model.wv.vectors - model.wv.vectors.mean(0)
    ids = np.array([int(word) for word in model.wv.index_to_key])
    vectors[ids] = trained * (INITIAL_SCALE / trained.std())
    return vectors
