"""Attention that is wanted, as a row (B, L) of a batch: not negative, 0 where none is wanted."""

from __future__ import annotations

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
        return top_words(scores, keys, most, units).float()


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
        return highest(noise * maskable, how_many(maskable, self.share)).float()


def how_many(maskable: Tensor, share: float) -> Tensor:
    """(B,) max(1, ceil(share * tokens))."""
    return (share * maskable.sum(-1)).ceil().clamp_min(1)


def highest(scores: Tensor, most: Tensor) -> Tensor:
    """(B, L) bool: the (B,) `most` highest of each row that are above 0; of equal ones the
    earlier."""
    order = scores.argsort(dim=-1, descending=True, stable=True)
    places = torch.arange(scores.shape[-1], device=scores.device).expand_as(order)
    rank = torch.empty_like(order).scatter(-1, order, places)
    return (rank < most[:, None]) & (scores > 0)


def top_words(scores: Tensor, keys: Tensor, most: Tensor, units: Tensor | None = None) -> Tensor:
    """(B, L) bool: every occurrence of the (B,) `most` words with the highest sum of scores.

    Args:
        scores: (B, L), the same for all occurrences of a word; keys: (B, L).
        units: (B, L), the word that each token is a piece of, where they are pieces.
    """
    ordered, order = keys.sort(dim=-1, stable=True)
    begin, end = (torch.searchsorted(ordered, keys, right=side) for side in (False, True))
    number = end - begin
    if units is not None:
        begins = F.pad((units[:, 1:] != units[:, :-1]).long(), (1, 0), value=1)
        before = F.pad(begins.gather(-1, order).cumsum(-1), (1, 0))
        number = before.gather(-1, end) - before.gather(-1, begin)
    first = order.gather(-1, begin)  # of each word, where it occurs first
    places = torch.arange(keys.shape[-1], device=keys.device)
    return highest(scores * number * (first == places), most).gather(-1, first)
