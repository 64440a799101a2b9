"""The packed corpus: token ids as one flat array, so that workers share memory and batches are cut
by array indexing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedTokenizerFast

from afa_ray.data.texts import Texts

CHUNK = 4096  # texts tokenised at a time


@dataclass(frozen=True)
class PackedTexts:
    """One tokenised split of N texts and T tokens in all.

    Attributes:
        tokens: (T,) int32, `[SOS]` and `[EOS]` included; offsets: (N + 1,) int64 into it.
        labels: (N,) int64.
        marks: (T,) uint8, 1 on tokens of marked words; None where the corpus marks none.
        truncated: how many texts were cut to the maximum length.
    """

    tokens: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray
    marks: np.ndarray | None
    truncated: int

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> np.ndarray:
        """(N,) tokens of each text."""
        return np.diff(self.offsets)

    def padded(self, examples: np.ndarray, pad_id: int = 0) -> np.ndarray:
        """(n, L) int64 ids of the given texts, padded on the right to the longest of them."""
        return self._gather(self.tokens, examples, pad_id)

    def padded_marks(self, examples: np.ndarray) -> np.ndarray:
        """(n, L) int64 marks of the given texts, 0 at padding."""
        assert self.marks is not None
        return self._gather(self.marks, examples, 0)

    def _gather(self, flat: np.ndarray, examples: np.ndarray, fill: int) -> np.ndarray:
        start = self.offsets[examples]
        length = self.offsets[examples + 1] - start
        column = np.arange(length.max(initial=1))
        inside = column < length[:, None]
        return np.where(inside, flat[np.where(inside, start[:, None] + column, 0)], fill).astype(
            np.int64
        )


def pack(texts: Texts, tokenizer: PreTrainedTokenizerFast, max_length: int) -> PackedTexts:
    """Tokenise a split once. Longer texts keep their first `max_length` - 1 tokens and `[EOS]`."""
    rows: list[np.ndarray] = []
    marks: list[np.ndarray] | None = None if texts.marks is None else []
    truncated = 0
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = True
    for start in range(0, len(texts), CHUNK):
        part = slice(start, start + CHUNK)
        if texts.words is None or texts.marks is None or marks is None:
            encodings = backend.encode_batch_fast(texts.texts[part])
        else:
            encodings = backend.encode_batch(texts.words[part], is_pretokenized=True)
            marks += [
                _token_marks(encoding.word_ids, word_marks, max_length)
                for encoding, word_marks in zip(encodings, texts.marks[part], strict=True)
            ]
        for encoding in encodings:
            ids = np.array(encoding.ids, dtype=np.int32)
            if len(ids) > max_length:
                truncated += 1
                ids = np.concatenate([ids[: max_length - 1], ids[-1:]])
            rows.append(ids)
    return PackedTexts(
        tokens=np.concatenate(rows) if rows else np.zeros(0, np.int32),
        offsets=np.cumsum([0, *map(len, rows)], dtype=np.int64),
        labels=np.array(texts.labels, dtype=np.int64),
        marks=None if marks is None else np.concatenate(marks),
        truncated=truncated,
    )


def _token_marks(word_ids: list[int | None], word_marks: list[int], max_length: int) -> np.ndarray:
    """(L,) uint8: each token takes the mark of its word; special tokens take 0."""
    marks = [0 if word is None else word_marks[word] for word in word_ids]
    if len(marks) > max_length:
        marks = [*marks[: max_length - 1], 0]
    return np.array(marks, dtype=np.uint8)
