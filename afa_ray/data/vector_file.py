"""Word vectors from a file in word2vec's text format.

Its first line is `words width`; each further one a word and its numbers, separated by spaces.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from pathlib import Path

import numpy as np

from afa_ray.data.word2vec import INITIAL_SCALE
from afa_ray.errors import UserError

HEADER = "the first line must be two numbers, how many words there are and how wide their vectors"


def read_vectors(file: str, words: Sequence[str], size: int, seed: int) -> np.ndarray:
    """The vectors of a vocabulary.

    Args:
        words: V of them; size: d, the width that is wanted; seed: of the noise.

    Returns:
        (V, d) float32, those of the file centred and scaled to standard deviation `INITIAL_SCALE`;
        words that it lacks get normal noise of the same scale.

    Raises:
        UserError: the file cannot be read, is malformed, of another width, or has none of them.
    """
    numbers = {word: number for number, word in enumerate(words)}
    vectors = np.random.default_rng(seed).standard_normal((len(words), size), dtype=np.float32)
    vectors *= np.float32(INITIAL_SCALE)
    found: dict[int, np.ndarray] = {}
    for word, vector in _vectors(file, size, numbers.keys()):
        found.setdefault(numbers[word], vector)
    if not found:
        raise _fault(file, "none of its words occurs in the training texts")
    read = np.stack(list(found.values()))
    read -= read.mean(0)
    scale = read.std()
    if not scale > 0:
        raise _fault(file, "the vectors of all words that occur in the training texts are the same")
    vectors[list(found)] = read * (INITIAL_SCALE / scale)
    return vectors


def _vectors(file: str, size: int, wanted: Container[str]) -> Iterator[tuple[str, np.ndarray]]:
    """(word, vector) of the wanted words; every line is checked for its width."""
    try:
        with Path(file).open(encoding="utf-8") as lines:
            count = _count(file, lines.readline(), size)
            rows = 0
            for rows, line in enumerate(lines, start=1):
                word, *entries = line.rstrip().split(" ")
                if len(entries) != size:
                    raise _fault(file, f"line {rows + 1} has {len(entries)} numbers, not {size}")
                if word in wanted:
                    yield word, _numbers(file, rows + 1, entries)
    except (OSError, UnicodeDecodeError) as error:
        raise _fault(file, f"cannot be read: {error}") from error
    if rows != count:
        raise _fault(file, f"the first line says {count:,} words, and there are {rows:,}")


def _count(file: str, header: str, size: int) -> int:
    parts = header.split()
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise _fault(file, f"{HEADER}; it is {header.strip()[:60]!r}")
    count, width = map(int, parts)
    if width != size:
        raise _fault(file, f"its vectors are {width} wide; give target.hidden_size = {width}")
    return count


def _numbers(file: str, line: int, entries: list[str]) -> np.ndarray:
    try:
        vector = np.array(entries, np.float32)
    except ValueError:
        vector = np.array([np.nan])
    if not np.isfinite(vector).all():
        raise _fault(file, f"line {line}: a word must be followed by finite numbers alone")
    return vector


def _fault(file: str, what: str) -> UserError:
    return UserError(f"target.vectors = {file}: {what}")
