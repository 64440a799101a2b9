"""The rules of the masking game: one implementation under every environment here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from envs.masking import MaskKind, apply_mask, keep_at_most, maskable_tokens, masked_units
from envs.reward import log_confusion

Discriminator = Callable[..., Any]
"""Padded ids (N, L) int64, a condition (N,) where there is one -> (N,) logits of "untouched".

One with a true attribute `shares_copies` also takes `deleted=` (N, V, L) bool, and returns (N, V)
logits of these copies of each sequence: the same ones, for less.
"""


@dataclass(frozen=True)
class MaskingGame:
    """One sequence, at most k masked tokens (or units of several tokens), one reward.

    Attributes:
        discriminator: see `Discriminator`; it may return anything that `torch.as_tensor` takes.
        k: how many tokens, or units, are masked at most, >= 1.
        mask: `delete` or `token`.
        special_ids: ids never masked; padding and the mask token are always among them.
        pad_id: the padding id.
        mask_id: the mask token's id, for `mask="token"`.
    """

    discriminator: Discriminator
    k: int
    mask: MaskKind
    special_ids: tuple[int, ...]
    pad_id: int
    mask_id: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.k, int) or self.k < 1:
            raise ValueError(
                f"k = {self.k}: must be a whole number of at least 1, the number of tokens to mask"
            )
        if self.mask not in ("delete", "token"):
            raise ValueError(f"mask = {self.mask!r}: must be 'delete' or 'token'")
        if self.mask == "token" and self.mask_id is None:
            raise ValueError("mask = 'token' needs mask_id, the id of the mask token")

    @property
    def shares_copies(self) -> bool:
        """Whether the Discriminator judges masked copies without their being made."""
        return self.mask == "delete" and getattr(self.discriminator, "shares_copies", False)

    def maskable(self, tokens: Tensor) -> Tensor:
        """(..., L) bool: which tokens may be masked."""
        others = {self.pad_id} if self.mask_id is None else {self.pad_id, self.mask_id}
        return maskable_tokens(tokens, {*self.special_ids, *others})

    def legal(
        self,
        masks: Tensor,
        maskable: Tensor,
        generator: torch.Generator | None,
        units: Tensor | None = None,
    ) -> Tensor:
        """Ignore bits on unmaskable positions; of more than k that remain keep k at random.

        Args:
            masks: (..., L) bool; maskable: broadcastable against it.
            units: the unit of each token (see `masked_units`), broadcastable too: then a bit masks
                its whole unit, and k counts units.
        """
        masks = masks & maskable
        keys = torch.rand(masks.shape, device=masks.device, generator=generator)
        if units is None:
            return keep_at_most(masks, self.k, keys)
        kept = keep_at_most(masked_units(masks, units), self.k, keys)
        return kept.gather(-1, units.expand_as(kept)) & maskable

    def mask_out(self, tokens: Tensor, masks: Tensor) -> Tensor:
        """(..., L) ids of Mask(X, S); the two broadcast against each other."""
        return apply_mask(tokens, masks, self.mask, self.pad_id, self.mask_id)

    @torch.no_grad()
    def play(self, tokens: Tensor, masks: Tensor, *condition: Tensor) -> tuple[Tensor, Tensor]:
        """Mask the sequences, M times each, and ask the Discriminator about all in one call.

        Args:
            tokens: (B, L) int64; masks: (B, M, L) bool, legal; condition: nothing, or one (B,)
                tensor.

        Returns:
            masked: (B, M, L) ids; rewards: (B, M) float32, nats (E6).
        """
        copies = self.mask_out(tokens[:, None], masks)
        if self.shares_copies:
            logits = self.discriminator(tokens, *condition, deleted=masks)
        else:
            condition = tuple(c.repeat_interleave(masks.shape[1], 0) for c in condition)
            logits = self.discriminator(copies.flatten(0, 1), *condition)
        logits = torch.as_tensor(logits, device=tokens.device)
        count = masks.shape[:2].numel()
        if logits.shape != (masks.shape[:2] if self.shares_copies else (count,)):
            raise ValueError(
                f"the discriminator returned shape {tuple(logits.shape)}: it must give one logit "
                f"for each of the {count} sequences"
            )
        return copies, log_confusion(logits.float()).view(masks.shape[:2])


def pad_units(
    units: Sequence[Sequence[int]] | None, sequences: Sequence[Sequence[int]]
) -> np.ndarray:
    """(N, L) int64: the unit of each token of `sequences`; by default each token is one.

    Raises:
        ValueError: not one unit a token, or a number that is none.
    """
    if units is None:
        units = [range(len(sequence)) for sequence in sequences]
    lengths = [(len(u), len(s)) for u, s in zip(units, sequences, strict=True)]
    if any(given != tokens for given, tokens in lengths):
        raise ValueError(f"units of lengths {[n for n, _ in lengths]}: give one for each token")
    padded = pad_sequences(units, 0)
    if padded.max(initial=0) >= padded.shape[1]:
        raise ValueError(
            f"unit {padded.max()}: number the units of a sequence from 0 to at most "
            f"{padded.shape[1] - 1}"
        )
    return padded


def pad_sequences(sequences: Sequence[Sequence[int]], pad_id: int) -> np.ndarray:
    """(N, L) int64: the sequences padded on the right to the longest (at least 1).

    Raises:
        ValueError: no sequences, or a negative id.
    """
    if len(sequences) == 0:
        raise ValueError("sequences is empty: give at least one sequence of token ids")
    length = max(len(s) for s in sequences)
    padded = np.full((len(sequences), max(length, 1)), pad_id, dtype=np.int64)
    for row, sequence in zip(padded, sequences, strict=True):
        row[: len(sequence)] = np.asarray(sequence, dtype=np.int64)
    if padded.min() < 0:
        raise ValueError(f"token id {padded.min()} in sequences: numbers must be at least 0")
    return padded
