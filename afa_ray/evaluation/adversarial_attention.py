"""How different can attention be with the decision the same? Adversarial attention.

Jain and Wallace, "Attention is not Explanation", NAACL 2019 (arXiv 1902.10186), section 4.2.2.
"""

from __future__ import annotations

import torch
from torch import Tensor

from afa_ray.evaluation.distances import jensen_shannon, mean_divergence, total_variation
from afa_ray.evaluation.given_attention import decided_by, deciding, own_row
from afa_ray.explainers.interface import text_tokens
from afa_ray.models.interface import AttentionModel, Inputs
from afa_ray.noise import uniform

CANDIDATES, STEPS, RATE = 5, 500, 0.01  # K; Adam's steps and learning rate
SPREAD = 3.0  # standard deviation of the first logits
SLACK, PENALTY = 0.01, 500.0  # of the total variation distance, in the search
SLACK_OF_PAIRS = 0.05  # where texts are read for something
EPSILON = 0.05  # the most of it that counts as the same decision


def adversarial_rows(
    model: AttentionModel,
    inputs: Inputs,
    *,
    seed: int,
    examples: Tensor,
    steps: int = STEPS,
) -> Tensor:
    """(B, K, L) rows as different from the model's own, and from each other, as leave its decision.

    They minimise `search_loss` by Adam (amsgrad); weights and states are fixed. What special tokens
    have of the attention they keep; the rest is spread anew among the words.

    Args:
        seed, examples: of the logits that the search starts from; (B,) int64, the texts' numbers in
            their corpus.
    """
    row, text = own_row(model, inputs), text_tokens(model, inputs)
    start = torch.special.ndtri(uniform(seed, 0, examples, CANDIDATES, row.shape[1]))
    logits = (SPREAD * start - text.sum(-1).clamp_min(1).log()[:, None, None]).requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=RATE, amsgrad=True)
    decide = deciding(model, inputs)
    slack = SLACK if inputs.query is None else SLACK_OF_PAIRS
    with torch.no_grad():
        own = decide(row[:, None])
    with torch.enable_grad():
        for _ in range(steps):
            rows = _among_words(logits, row, text)
            apart = total_variation(decide(rows), own)
            loss = search_loss(rows, row, apart, slack)
            (logits.grad,) = torch.autograd.grad(loss, logits)
            optimizer.step()
    return _among_words(logits.detach(), row, text)


def search_loss(rows: Tensor, own: Tensor, apart: Tensor, slack: float = SLACK) -> Tensor:
    """sum_bk [500 relu(TVD_bk - slack) - JSD(a_bk, a_b)] - mean_kk' sum_b JSD(a_bk, a_bk').

    Args:
        rows: (B, K, L); own: (B, L); apart: (B, K) total variation distances.
        slack: .01; .05 where texts are read for something, as published.
    """
    different = jensen_shannon(rows, own[:, None])
    kept = PENALTY * (apart - slack).relu()
    return (kept - different).sum() - mean_divergence(rows).sum()


def divergences(
    model: AttentionModel, inputs: Inputs, rows: Tensor, epsilon: float = EPSILON
) -> Tensor:
    """(B, K) of each of the rows from the model's own, 0 to ln 2; 0 where the decision moves by
    more than epsilon. Their maximum is epsilon-max JSD."""
    row = own_row(model, inputs)
    with torch.no_grad():
        own = decided_by(model, inputs, row[:, None])
        same = total_variation(decided_by(model, inputs, rows), own) <= epsilon
        found = jensen_shannon(rows, row[:, None]).clamp_min(0.0)
    return found.masked_fill(~same, 0.0)


def possible_divergence(row: Tensor, text: Tensor) -> Tensor:
    """(B,) the greatest divergence from a row that any row can have, whatever the decision.

    It is convex, and so greatest where all the words have is at one of them: the least attended.

    Args:
        row: (B, L); text: (B, L) bool, the words; what others have stays.
    """
    least = row.masked_fill(~text, torch.inf).argmin(-1, keepdim=True)
    words = (row * text).sum(-1, keepdim=True)
    corner = torch.where(text, 0.0, row).scatter_add(-1, least, words)
    return jensen_shannon(corner, row).clamp_min(0.0)


def _among_words(logits: Tensor, row: Tensor, text: Tensor) -> Tensor:
    """(B, K, L) rows: softmax over the words of what the words have, the others as they are."""
    none = torch.finfo(logits.dtype).min
    shares = logits.masked_fill(~text[:, None], none).softmax(-1)
    words = (row * text).sum(-1)[:, None, None]
    return torch.where(text[:, None], shares * words, row[:, None])
