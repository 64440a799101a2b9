"""The words of texts as numbers, whether a Target's tokens are whole words or pieces of them.

What is known of a word is one number a word of the vocabulary, looked up when a text is read;
nothing is stored by text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from afa_ray.data.packed import PackedTexts
from afa_ray.data.tokenizer import special_ids
from afa_ray.noise import mix
from envs.masking import maskable_tokens

NO_WORD = -1  # the key of special tokens and of padding
LONGEST = 1024  # pieces of a word that are told apart by their order


@dataclass(frozen=True)
class Words:
    """What is a word of a text, by its tokens, and the words' keys.

    Attributes:
        special: ids of tokens that are no part of the text, padding among them.
        pieces: whether tokens are pieces of words: then a word's key is a hash of all its pieces
            in their order; otherwise it is its token.
    """

    special: tuple[int, ...]
    pieces: bool

    def maskable(self, tokens: Tensor) -> Tensor:
        """(…) bool: the tokens that are part of the text."""
        return maskable_tokens(tokens, self.special)

    def keys(self, tokens: Tensor, units: Tensor | None) -> Tensor:
        """(B, L) int64 key of each token's word, NO_WORD elsewhere.

        Args:
            tokens: (B, L); units: (B, L), the word that each is a piece of, where they are pieces.
        """
        inside = self.maskable(tokens)
        if not self.pieces or units is None:
            return tokens.where(inside, NO_WORD)
        rows = torch.arange(len(tokens), device=tokens.device)[:, None] * tokens.shape[1]
        found = _hashed(tokens.flatten(), (units + rows).flatten(), inside.flatten())
        return found.keys.view_as(tokens)

    def keys_of(self, texts: PackedTexts) -> Tensor:
        """(T,) the same of all tokens of packed texts."""
        return self.runs(texts).keys

    def runs(self, texts: PackedTexts) -> Hashed:
        """The same, with where each word begins."""
        tokens = torch.from_numpy(texts.tokens).long()
        inside = self.maskable(tokens)
        if not self.pieces or texts.units is None:
            return Hashed(tokens.where(inside, NO_WORD), inside)
        text = torch.arange(len(texts)).repeat_interleave(torch.from_numpy(texts.lengths))
        units = torch.from_numpy(texts.units).long()
        return _hashed(tokens, units + text * (int(units.max()) + 1), inside)


def words_of(tokenizer: PreTrainedTokenizerFast, pieces: bool) -> Words:
    return Words((*special_ids(tokenizer), int(tokenizer.pad_token_id)), pieces)


class Hashed(NamedTuple):
    """(T,) key of each token's word, and (T,) bool, the first token of each word."""

    keys: Tensor
    first: Tensor


def _hashed(tokens: Tensor, numbers: Tensor, inside: Tensor) -> Hashed:
    """Keys of words, of which each is a run of tokens inside a text with one of (T,) `numbers`."""
    apart = torch.ones_like(inside)
    apart[1:] = ~inside[:-1] | (numbers[1:] != numbers[:-1])
    first = inside & apart
    if not first.any():
        return Hashed(torch.full_like(tokens, NO_WORD), first)
    word = (first.cumsum(0) - 1).clamp_min(0)
    begins = first.nonzero()[:, 0]
    within = torch.arange(len(tokens), device=tokens.device) - begins[word]
    terms = mix(tokens * LONGEST + within.clamp(0, LONGEST - 1)) * inside
    sums = tokens.new_zeros(len(begins)).index_add(0, word, terms)
    return Hashed((sums & (2**62 - 1))[word].where(inside, NO_WORD), first)


@dataclass(frozen=True)
class WordCounts:
    """How often K words occur in texts of C classes.

    Attributes:
        keys: (K,) int64, sorted.
        readable: (K,) bool: with a letter or a digit, and known to the tokenizer.
        occurrences: (C, K); texts: (C, K), texts that hold the word.
        class_sizes: (C,) texts.
    """

    keys: Tensor
    readable: Tensor
    occurrences: Tensor
    texts: Tensor
    class_sizes: Tensor


def count_words(
    words: Words, texts: PackedTexts, tokenizer: PreTrainedTokenizerFast, classes: int
) -> WordCounts:
    """The words of packed texts, counted."""
    tokens = torch.from_numpy(texts.tokens).long()
    lengths, labels = torch.from_numpy(texts.lengths), torch.from_numpy(texts.labels)
    text = torch.arange(len(texts)).repeat_interleave(lengths)
    keys, first = words.runs(texts)
    inside = keys != NO_WORD
    known, which = keys[inside].unique(return_inverse=True)
    readable = torch.zeros(len(known), dtype=torch.bool)
    readable[which[_readable(tokenizer, tokens[inside])]] = True
    word, of_text = which[first[inside]], text[first]
    pairs = (of_text * len(known) + word).unique()
    both = labels[pairs // len(known)] * len(known) + pairs % len(known)
    shape = (classes, len(known))
    return WordCounts(
        keys=known,
        readable=readable,
        occurrences=_count(labels[of_text] * len(known) + word, shape),
        texts=_count(both, shape),
        class_sizes=labels.bincount(minlength=classes),
    )


def _count(numbers: Tensor, shape: tuple[int, int]) -> Tensor:
    return numbers.bincount(minlength=shape[0] * shape[1]).view(shape)


def _readable(tokenizer: PreTrainedTokenizerFast, tokens: Tensor) -> Tensor:
    """(T,) bool: known tokens with a letter or a digit, or a part of one."""
    there, which = tokens.unique(return_inverse=True)
    texts = [tokenizer.decode([token]) for token in there.tolist()]
    readable = torch.tensor([any(c.isalnum() or c == "\ufffd" for c in text) for text in texts])
    unknown = tokenizer.unk_token_id
    return (readable & (there != (NO_WORD if unknown is None else unknown)))[which]


class WordTable:
    """What is known of words: (…) numbers each, 0 of all others.

    Args:
        keys: (K,) int64, sorted; values: (K, …) float; device: where texts are.
        size: where keys are tokens, how many there are: then nothing has to be searched.
    """

    def __init__(
        self, keys: Tensor, values: Tensor, device: torch.device, size: int | None = None
    ) -> None:
        self.keys = None if size is not None else keys.to(device)
        if size is not None:
            whole = values.new_zeros(size + 1, *values.shape[1:])  # the last one of NO_WORD
            whole[keys] = values
            values = whole
        self.values = values.float().to(device)

    def look_up(self, keys: Tensor) -> Tensor:
        """(B, L, …) of (B, L) words."""
        if self.keys is None:
            return self.values[keys]
        place = torch.searchsorted(self.keys, keys).clamp_max(len(self.keys) - 1)
        found = self.keys[place] == keys
        return self.values[place] * found.view(*found.shape, *[1] * (self.values.dim() - 1))
