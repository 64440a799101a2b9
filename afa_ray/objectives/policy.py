"""The policy over masks: Select(a, k, epsilon) and log pi(S) (E3, E4).

A choice is k distinct positions, in the order drawn, for each of M samples of each sequence; where
fewer than k tokens are maskable it is all of them. Both policies act by the attention row `a` with
probability 1 - epsilon and uniformly at random otherwise, drawn for each sample by itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

PolicyKind = Literal["topk", "plackett-luce"]


@dataclass(frozen=True)
class Choice:
    """Sampled masks.

    Attributes:
        picks: (B, M, K) int64 positions in the order drawn; K = min(k, L).
        valid: (B, M, K) bool: False behind the last maskable token; such picks count for nothing.
        masks: (B, M, L) bool: the same choice as a set.
    """

    picks: Tensor
    valid: Tensor
    masks: Tensor


def select(
    row: Tensor, maskable: Tensor, noise: Tensor, k: int, epsilon: float, policy: PolicyKind
) -> Choice:
    """(E3) With probability 1 - epsilon by attention, with probability epsilon uniformly.

    By attention means the top k of `a` (policy `topk`), or k draws without replacement in
    proportion to `a` by the Gumbel top-k trick (policy `plackett-luce`; Kool et al., ICML 2019).

    Args:
        row: (B, L) attention row, >= 0; no gradient flows through the choice.
        maskable: (B, L) bool.
        noise: (B, M, 1 + L) independent uniforms in (0, 1): the first decides whether to explore.
        k: tokens to mask, >= 1; epsilon: in [0, 1].
    """
    row = row.detach()
    explore, keys = noise[..., :1] < epsilon, noise[..., 1:]  # (B, M, 1), (B, M, L)
    if policy == "topk":
        preference = row[:, None].expand_as(keys)
    else:
        preference = _log(row)[:, None] - torch.log(-torch.log(keys))
    score = torch.where(explore, keys, preference)
    score = score.masked_fill(~maskable[:, None], -torch.inf)
    picks = score.topk(min(k, row.shape[-1]), dim=-1).indices  # (B, M, K), best first
    valid = maskable[:, None].expand_as(keys).gather(-1, picks)
    masks = torch.zeros_like(keys, dtype=torch.bool).scatter(-1, picks, valid)
    return Choice(picks, valid, masks)


def log_prob(
    row: Tensor, maskable: Tensor, choice: Choice, epsilon: float, policy: PolicyKind
) -> Tensor:
    """(E4) log pi of each choice, differentiable in `row`: (B, M), 0 for an empty choice."""
    if policy == "topk":
        return log_prob_topk(row, maskable, choice)
    return log_prob_plackett_luce(row, maskable, choice, epsilon)


def log_prob_topk(row: Tensor, maskable: Tensor, choice: Choice) -> Tensor:
    """(E4, the paper) sum over i in S of log a_i, `a` renormalised over the maskable tokens.

    A surrogate, not the probability of the epsilon-greedy draw: it is what the paper optimises.
    """
    return (_log_picked(row, maskable, choice) * choice.valid).sum(-1)


def log_prob_plackett_luce(row: Tensor, maskable: Tensor, choice: Choice, epsilon: float) -> Tensor:
    """(E4, exact) log of (1 - epsilon) PL_a(order) + epsilon PL_uniform(order).

    PL_a(s_1 … s_k) = prod_j a_{s_j} / (1 - a_{s_1} - … - a_{s_{j-1}}), the probability of the
    ordered draw without replacement (Plackett, 1975). What remains before each draw is summed from
    the tokens left over, not subtracted from one, so that a concentrated row loses no precision.
    """
    picked = _log_picked(row, maskable, choice)
    weights = torch.where(choice.valid, picked.exp(), 0.0)  # (B, M, K)
    unpicked = maskable[:, None] & ~choice.masks  # (B, M, L)
    rest = (_renormalise(row, maskable)[:, None] * unpicked).sum(-1, keepdim=True)
    later = torch.ones(weights.shape[-1], weights.shape[-1], device=row.device).tril()
    remaining = rest + weights @ later.to(row.dtype)  # mass left before each draw
    by_attention = ((picked - _log(remaining)) * choice.valid).sum(-1)

    left = maskable.sum(-1)[:, None, None] - torch.arange(picked.shape[-1], device=row.device)
    uniformly = -(left.clamp_min(1).to(row.dtype).log() * choice.valid).sum(-1)
    log_exploit, log_explore = (math.log(p) if p else -math.inf for p in (1 - epsilon, epsilon))
    mixture = torch.logaddexp(log_exploit + by_attention, log_explore + uniformly)
    return torch.where(choice.valid.any(-1), mixture, 0.0)


def unit_scores(row: Tensor, maskable: Tensor, units: Tensor) -> tuple[Tensor, Tensor]:
    """Attention and maskability by unit: a word's score is the sum over its maskable pieces.

    Args:
        row: (B, L); maskable: (B, L) bool; units: (B, L) int64, the unit of each token, 0 … L - 1.

    Returns:
        (B, L) scores, differentiable in `row`, and (B, L) bool, both by unit.
    """
    scores = torch.zeros_like(row).scatter_add(1, units, row * maskable)
    return scores, torch.zeros_like(units).scatter_add(1, units, maskable.long()) > 0


def attention_entropy(row: Tensor) -> Tensor:
    """(B,) entropy of the attention row in nats, over all real tokens; differentiable, for padding,
    which has exactly 0, has no gradient."""
    return torch.special.entr(row.clamp_min(torch.finfo(row.dtype).tiny)).sum(-1)


def _log(x: Tensor) -> Tensor:
    """Log with a floor, so that an underflown weight has log -87 and no gradient."""
    return x.clamp_min(torch.finfo(x.dtype).tiny).log()


def _renormalise(row: Tensor, maskable: Tensor) -> Tensor:
    weights = row * maskable
    return weights / weights.sum(-1, keepdim=True).clamp_min(torch.finfo(row.dtype).tiny)


def _log_picked(row: Tensor, maskable: Tensor, choice: Choice) -> Tensor:
    """(B, M, K): log of the renormalised attention at the picks."""
    log_row = _log(_renormalise(row, maskable))
    return log_row[:, None].expand(-1, choice.picks.shape[1], -1).gather(-1, choice.picks)
