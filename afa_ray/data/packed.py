"""The packed corpus: token ids as one flat array, so that workers share memory and batches are cut
by array indexing."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from tokenizers import Encoding, Tokenizer
from transformers import PreTrainedTokenizerFast

from afa_ray.data.candidates import candidates_of
from afa_ray.data.texts import Texts
from afa_ray.progress import Task

CHUNK = 1024  # texts tokenised at a time
SLICE = 2**20  # tokens compared at a time

T = TypeVar("T")


@dataclass(frozen=True)
class PackedTexts:
    """One tokenised split of N texts and T tokens in all.

    Attributes:
        tokens: (T,) int32, special tokens included; offsets: (N + 1,) int64 into it.
        labels: (N,) int64.
        marks: (T,) uint8, 1 on tokens of marked words; None where the corpus marks none.
        units: (T,) int32, the number within its text of the word that a token is a piece of (0 at
            special tokens); None where masks need no words.
        truncated: how many texts were cut to the maximum length.
        human: (T,) float32, how much people attend to each token's word; None where the marks say
            all that is known, or where nobody asks.
        queries: what each text is read for, tokenised likewise, and its candidates where it has
            any; None where the corpus has none.
    """

    tokens: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray
    marks: np.ndarray | None
    truncated: int
    units: np.ndarray | None = None
    queries: PackedTexts | None = None
    human: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> np.ndarray:
        """(N,) tokens of each text."""
        return np.diff(self.offsets)

    def take(self, examples: np.ndarray) -> PackedTexts:
        """The given texts, in that order, with numbers of their own from 0 on."""
        lengths = self.lengths[examples]
        offsets = np.concatenate([[0], lengths.cumsum()])
        places = np.arange(offsets[-1]) + np.repeat(self.offsets[examples] - offsets[:-1], lengths)
        return PackedTexts(
            tokens=self.tokens[places],
            offsets=offsets,
            labels=self.labels[examples],
            marks=None if self.marks is None else self.marks[places],
            truncated=self.truncated,
            units=None if self.units is None else self.units[places],
            queries=None if self.queries is None else self.queries.take(examples),
            human=None if self.human is None else self.human[places],
        )

    def followed_by(self, ids: Sequence[Sequence[int]]) -> PackedTexts:
        """The texts, each with more tokens behind it, of which nothing else is known."""
        assert all(known is None for known in (self.marks, self.units, self.human, self.queries))
        more = [np.array(each, np.int32) for each in ids]
        before = np.split(self.tokens, self.offsets[1:-1])
        parts = [part for pair in zip(before, more, strict=True) for part in pair]
        lengths = self.lengths + np.array([len(each) for each in more], np.int64)
        offsets = np.concatenate([[0], lengths.cumsum()])
        return replace(self, tokens=np.concatenate(parts), offsets=offsets)

    def count(self, token: int) -> int:
        """How often `token` occurs."""
        starts = range(0, len(self.tokens), SLICE)
        return sum(int((self.tokens[i : i + SLICE] == token).sum()) for i in starts)

    def words(self, special_ids: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """(W,) tokens, and (N + 1,) offsets into them, of the texts without those tokens."""
        kept = ~np.isin(self.tokens, special_ids)
        return self.tokens[kept], np.concatenate([[0], kept.cumsum()])[self.offsets]

    def padded(self, examples: np.ndarray, pad_id: int = 0) -> np.ndarray:
        """(n, L) int64 ids of the given texts, padded on the right to the longest of them."""
        return self._gather(self.tokens, examples, pad_id)

    def padded_marks(self, examples: np.ndarray) -> np.ndarray:
        """(n, L) int64 marks of the given texts, 0 at padding."""
        assert self.marks is not None
        return self._gather(self.marks, examples, 0)

    def padded_human(self, examples: np.ndarray) -> np.ndarray:
        """(n, L) float32: how much people attend to the words of the given texts' tokens; the marks
        where no more is known."""
        if self.human is None:
            return self.padded_marks(examples).astype(np.float32)
        return self._gather(self.human, examples, 0, np.float32)

    def padded_units(self, examples: np.ndarray) -> np.ndarray | None:
        """(n, L) int64 words of the given texts' tokens, 0 at padding; None where none are kept."""
        return None if self.units is None else self._gather(self.units, examples, 0)

    def padded_queries(self, examples: np.ndarray, pad_id: int) -> np.ndarray | None:
        """(n, Q) int64 ids of the given texts' queries, padded; None where there are none."""
        return None if self.queries is None else self.queries.padded(examples, pad_id)

    def _gather(
        self, flat: np.ndarray, examples: np.ndarray, fill: int, kind: type = np.int64
    ) -> np.ndarray:
        start = self.offsets[examples]
        length = self.offsets[examples + 1] - start
        column = np.arange(length.max(initial=1))
        inside = column < length[:, None]
        return np.where(inside, flat[np.where(inside, start[:, None] + column, 0)], fill).astype(
            kind
        )


def pack(
    texts: Texts,
    tokenizer: PreTrainedTokenizerFast,
    max_length: int,
    units: bool = False,
    human: bool = False,
    entities: Sequence[str] = (),
) -> PackedTexts:
    """Tokenise a split once.

    Longer texts are cut behind, as `tokenizer(text, truncation=True)` does: the special tokens that
    it puts at the end stay there. Whatever padding and truncation it came with is switched off.
    Of the texts and their encodings only CHUNK are in memory; the arrays grow behind.

    Args:
        units: keep which word each token is a piece of.
        human: keep how much people attend to it, where the texts have that.
        entities: classes, of which those that a text names are its candidates (`candidates`).
    """
    queries = None
    if texts.queries is not None:
        queries = pack(Texts(texts.queries, texts.labels), tokenizer, max_length)
        if entities:
            first, named = len(tokenizer), (candidates_of(text, entities) for text in texts.texts)
            queries = queries.followed_by([[first + c for c in classes] for classes in named])
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.enable_truncation(max_length)
    backend.encode_special_tokens = tokenizer.split_special_tokens
    tokens, words, marks, seen = array("i"), array("i"), array("B"), array("f")
    people = texts.human if human else None
    offsets = array("q", [0])
    truncated = 0
    with Task("tokenising", len(texts)) as task:
        for number, (encoding, token_marks) in enumerate(_encodings(texts, backend, units)):
            truncated += bool(encoding.overflowing)
            tokens.fromlist(encoding.ids)
            offsets.append(len(tokens))
            if token_marks is not None:
                marks.fromlist(token_marks)
            if people is not None and texts.words is not None:
                seen.fromlist(_of_tokens(encoding, texts.words[number], people[number]))
            if units:
                words.fromlist(_units(encoding))
            task.advance(1)
    backend.no_truncation()
    return PackedTexts(
        tokens=np.asarray(tokens, np.int32),
        offsets=np.asarray(offsets, np.int64),
        labels=np.asarray(texts.labels, np.int64),
        marks=None if texts.marks is None else np.asarray(marks, np.uint8),
        truncated=truncated,
        units=np.asarray(words, np.int32) if units else None,
        queries=queries,
        human=None if people is None else np.asarray(seen, np.float32),
    )


def _encodings(
    texts: Texts, backend: Tokenizer, units: bool
) -> Iterator[tuple[Encoding, list[int] | None]]:
    """Each text's encoding, and the marks of its tokens where the texts have any."""
    if texts.words is None or texts.marks is None:
        encode = backend.encode_batch if units else backend.encode_batch_fast
        for chunk in _chunks(texts.texts):
            yield from ((encoding, None) for encoding in encode(chunk))
        return
    for rows in _chunks(zip(texts.words, texts.marks, strict=True)):
        encodings = backend.encode_batch([" ".join(words) for words, _ in rows])
        for encoding, (words, marks) in zip(encodings, rows, strict=True):
            yield encoding, _of_tokens(encoding, words, marks)


def _chunks(rows: Iterable[T]) -> Iterator[list[T]]:
    """`rows` in lists of CHUNK."""
    rest = iter(rows)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


def _of_tokens(encoding: Encoding, words: list[str], numbers: Sequence[Any]) -> list[Any]:
    """Each token takes the number of the word that its last character is in, or that follows where
    it is a space; special tokens take 0.

    The words stand in the encoded text with one space between them.
    """
    ends = np.cumsum([len(word) + 1 for word in words])  # each word and the space behind it
    found = np.searchsorted(ends, [end for _, end in encoding.offsets], side="right")
    return [
        0 if special or start == end else numbers[word]
        for word, special, (start, end) in zip(
            found, encoding.special_tokens_mask, encoding.offsets, strict=True
        )
    ]


def _units(encoding: Encoding) -> list[int]:
    """Each token's word, numbered without gaps; special tokens are in word 0."""
    numbers: dict[int, int] = {}
    return [
        0 if word is None else numbers.setdefault(word, len(numbers)) for word in encoding.word_ids
    ]
