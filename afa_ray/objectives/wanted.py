"""Attention that is wanted, as a row (B, L) of a batch: not negative, 0 where none is wanted."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from afa_ray.data.parts import Part
from afa_ray.noise import uniform
from afa_ray.objectives.words import NO_WORD, Words, WordTable

Wanted = Callable[[Part], Tensor]
"""The row that is wanted of a part's texts."""


@dataclass(frozen=True)
class ByScore:
    """Attention on all words, in proportion to their scores.

    Attributes:
        table: (K,) scores of words, or (K, C), of which that of the text's class counts.
    """

    words: Words
    table: WordTable

    def __call__(self, part: Part) -> Tensor:
        return self.of(part, self.words.keys(part.tokens, part.units))

    def of(self, part: Part, keys: Tensor) -> Tensor:
        """(B, L) scores of the words with (B, L) keys."""
        if self.table.values.dim() == 1:
            return self.table.look_up(keys)
        classes = part.labels[:, None, None].expand(*keys.shape, 1)
        return self.table.look_up(keys).gather(-1, classes)[..., 0]


@dataclass(frozen=True)
class TopWords:
    """Attention alike on all occurrences of the words whose score times number is highest.

    As many as a `share` of the text's tokens, rounded up; of equal ones the earlier.
    """

    scores: ByScore
    share: float

    def __call__(self, part: Part) -> Tensor:
        keys = self.scores.words.keys(part.tokens, part.units)
        scores = self.scores.of(part, keys)
        most = how_many(keys != NO_WORD, self.share)
        units = part.units if self.scores.words.pieces else None
        return top_words(scores, keys, most, bound(keys, self.share), units).float()


@dataclass(frozen=True)
class AtRandom:
    """Attention alike on as many tokens as `TopWords` takes words, at random; the same for a text
    in all epochs."""

    words: Words
    share: float
    seed: int

    def __call__(self, part: Part) -> Tensor:
        maskable = self.words.maskable(part.tokens)
        noise = uniform(self.seed, 0, part.examples, 1, part.tokens.shape[1])[:, 0]
        most = how_many(maskable, self.share)
        return highest(noise * maskable, most, bound(noise, self.share)).float()


def how_many(maskable: Tensor, share: float) -> Tensor:
    """(B,) max(1, ceil(share * tokens))."""
    return (share * maskable.sum(-1)).ceil().clamp_min(1)


def bound(row: Tensor, share: float) -> int:
    """At least what `how_many` says of texts in (B, L)."""
    return max(1, math.ceil(share * row.shape[-1]))


def highest(scores: Tensor, most: Tensor, bound: int) -> Tensor:
    """(B, L) bool: the (B,) `most` highest of each row that are above 0; of equal ones the earlier.

    Args:
        bound: at least the largest of `most`.
    """
    best = scores.topk(min(bound, scores.shape[-1]), dim=-1).values
    last = best.gather(-1, most.long().clamp_max(best.shape[-1])[:, None] - 1)
    above, equal = scores > last, scores == last
    left = most[:, None] - above.sum(-1, keepdim=True)
    return (above | (equal & (equal.cumsum(-1) <= left))) & (scores > 0)


def top_words(
    scores: Tensor, keys: Tensor, most: Tensor, bound: int, units: Tensor | None = None
) -> Tensor:
    """(B, L) bool: every occurrence of the (B,) `most` words with the highest sum of scores.

    Args:
        scores: (B, L), the same for all occurrences of a word; keys: (B, L).
        bound: at least the largest of `most`.
        units: (B, L), the word that each token is a piece of, where they are pieces.
    """
    if units is not None:  # a word's score counts once
        scores = scores * F.pad(units[:, 1:] != units[:, :-1], (1, 0), value=True)
    ordered, order = keys.sort(dim=-1, stable=True)
    first = F.pad(ordered[:, 1:] != ordered[:, :-1], (1, 0), value=True)
    word = first.cumsum(-1) - 1
    sums = torch.zeros_like(scores).scatter_add(-1, word, scores.gather(-1, order))
    at_first = torch.zeros_like(scores).scatter(-1, order, sums.gather(-1, word) * first)
    chosen = highest(at_first, most, bound).gather(-1, order)
    of_word = torch.zeros_like(scores).scatter_add(-1, word, (chosen & first).to(scores.dtype))
    return torch.zeros_like(chosen).scatter(-1, order, of_word.gather(-1, word) > 0)
