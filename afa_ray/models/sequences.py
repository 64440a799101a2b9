"""The inputs of a single query: embedded sequences, read in copies that are never embedded.

A copy of a sequence is the sequence with some tokens deleted. Its inputs are those of the original,
in the same order, at other positions; so one lookup of the words serves all copies, and what is
done to a word, a product with an absorbed key or a weighted sum, is done for all of them at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from afa_ray.models.dropout import dropout
from afa_ray.models.gathering import Gather, gatherer


class _Ends(NamedTuple):
    """U of the sequences, (U,), with the last token's column there and its place in the copy, and
    which of the U each copy (B, V) is like."""

    sequence: Tensor
    column: Tensor
    place: Tensor
    which: Tensor


@dataclass(frozen=True)
class Sequences:
    """Inputs x_{bvj} = P e_{bj} + p_{place(b, v, j)} + c_b of B sequences in V copies each.

    Attributes:
        tokens: (B, L) int64, right-padded, or None unless `alike`; embeddings: theirs, e,
            (B, L, e).
        kept: (B, V, L) bool, the tokens of each copy: the real ones that are not deleted, at least
            one.
        positions: p, (at least L, d).
        moved: whether tokens in front of others may be missing; otherwise place(b, v, j) = j.
        alike: whether equal tokens have equal embeddings, so that last inputs may be shared.
        projection: P, (d, e), of frozen embeddings of another width; None for the identity. It is
            applied to what is one per copy, never token by token.
        classes: (B,) int64 and offsets: (C, d), where the same vector c_b = offsets[classes[b]] is
            added at every position; None for none.
    """

    tokens: Tensor | None
    embeddings: Tensor
    kept: Tensor
    positions: Tensor
    moved: bool = False
    alike: bool = False
    projection: Tensor | None = None
    classes: Tensor | None = None
    offsets: Tensor | None = None

    def last(self) -> tuple[Tensor, Tensor]:
        """The distinct inputs at the copies' last positions.

        Returns:
            (U, d) inputs, and (B, V) int64, which of them each copy has.
        """
        ends = self._ends
        x = self._project(self._parts[0]) + self.positions[ends.place]
        if self.offsets is not None:
            assert self.classes is not None
            x = x + self.offsets[self.classes[ends.sequence]]
        return x, ends.which

    def copies(self) -> Tensor:
        """(B, V) int64, the number of each copy."""
        sequences, copies = self.kept.shape[:2]
        return torch.arange(sequences * copies, device=self.kept.device).view(sequences, copies)

    def gather(
        self, keys: Tensor, which: Tensor, lost: float, kinds: int = 1
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Attention of each copy by one of (U, H, d) keys.

        An offset adds the same to all scores of a copy and is left out of them.

        Args:
            which: (B, V) int64, the key of each copy, see `last`.
            lost: the share of the weights that dropout takes.
            kinds: C, where the keys are of C kinds of heads, (U, C H, d).

        Returns:
            rows: (B, V, H, L) before dropout, 0 at missing tokens, or (B, V, C H, L); context:
            (B, V, H, d), the sum of the inputs, weighted; mass: (B, V, H, 1), the sum of the
            weights, both by the mean over kinds.
        """
        heads = keys.shape[1]
        at_words = (keys if self.projection is None else keys @ self.projection)[which]
        biases = (keys @ self._positions.T)[which]  # (B, V, H, L)
        if self.moved:
            biases = biases.gather(-1, self._place(heads))
        biases = biases.masked_fill(~self.kept[:, :, None], -torch.inf)
        noise = dropout(torch.ones_like(biases[:, :, : heads // kinds]), lost, lost > 0)
        found = self._parts[1](
            *(x.flatten(1, 2) for x in (at_words, biases, noise)), kinds=(kinds, heads // kinds)
        )
        rows, weights, words = found
        copies = self.kept.shape[1]
        return rows.unflatten(1, (copies, -1)), *self._sums(
            *(x.unflatten(1, (copies, -1)) for x in (weights, words))
        )

    def gather_by(self, rows: Tensor, lost: float) -> tuple[Tensor, Tensor, Tensor]:
        """The same by (B, V, H, L) rows that are given."""
        noise = dropout(torch.ones_like(rows), lost, lost > 0).flatten(1, 2)
        found = self._parts[1](None, None, noise, rows.flatten(1, 2))
        rows, weights, words = (x.unflatten(1, (-1, rows.shape[2])) for x in found)
        return rows, *self._sums(weights, words)

    def _sums(self, weights: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        """Context and mass of `gather` by its weights, with what these make of the embeddings."""
        heads = weights.shape[2]
        by_place, mass = weights, weights.sum(-1, keepdim=True)
        if self.moved:
            by_place = weights.new_zeros(*weights.shape[:-1], len(self._positions))
            by_place = by_place.scatter_add(-1, self._place(heads), weights)
        context = self._project(words) + by_place @ self._positions
        if self.offsets is not None:
            context = context + mass * self.offsets[self.classes][:, None, None]
        return context, mass

    def materialised(self) -> Tensor:
        """(B, L, d): the inputs of the one copy there is, in full."""
        assert not self.moved
        x = self._project(self.embeddings) + self._positions
        return x if self.offsets is None else x + self.offsets[self.classes][:, None]

    @cached_property
    def _ends(self) -> _Ends:
        """Where the distinct last inputs are.

        Such an input is a function of token, position and class, and most texts of a batch end
        alike. Where embeddings are more than a lookup, and on a GPU, where finding that out would
        cost more than it saves, each counts as distinct.
        """
        column = torch.arange(self.kept.shape[-1], device=self.kept.device)
        column = (self.kept * column).amax(-1)  # (B, V)
        sequence = torch.arange(column.shape[0], device=column.device)[:, None].expand_as(column)
        place = self.kept.sum(-1) - 1
        which = self.copies()
        if not self.alike:
            return _Ends(sequence.flatten(), column.flatten(), place.flatten(), which)
        assert self.tokens is not None
        key = self.tokens.gather(1, column) * len(self.positions) + place
        if self.classes is not None:
            key = key * (self.classes.max() + 1) + self.classes[:, None]
        copies = which.flatten()
        values, which = key.unique(return_inverse=True)
        one_of_each = copies.new_empty(len(values)).scatter_(0, which.flatten(), copies)
        sequence, column, place = (x.flatten()[one_of_each] for x in (sequence, column, place))
        return _Ends(sequence, column, place, which)

    @cached_property
    def _parts(self) -> tuple[Tensor, Gather]:
        """The embeddings at `_ends`, (U, e), and what attends to all."""
        return gatherer(self.embeddings, self._ends.sequence, self._ends.column)

    @property
    def _positions(self) -> Tensor:
        """Those that may be needed, (at most L, d)."""
        return self.positions[: self.embeddings.shape[1]]

    @cached_property
    def _places(self) -> Tensor:
        return (self.kept.cumsum(-1) - 1).clamp_min(0)

    def _place(self, heads: int) -> Tensor:
        """(B, V, H, L): where each token stands in each copy; of no meaning at missing tokens."""
        return self._places[:, :, None].expand(-1, -1, heads, -1)

    def _project(self, words: Tensor) -> Tensor:
        return words if self.projection is None else F.linear(words, self.projection)
