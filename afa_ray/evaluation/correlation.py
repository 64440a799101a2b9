"""Does attention order words as gradients and deletion do? Kendall's tau, text by text.

Jain and Wallace, "Attention is not Explanation", NAACL 2019 (arXiv 1902.10186), section 4.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from afa_ray.evaluation.distances import total_variation
from afa_ray.evaluation.given_attention import own_row
from afa_ray.explainers.interface import decided, text_tokens
from afa_ray.explainers.perturbation import without_each
from afa_ray.models.interface import AttentionModel, Inputs

SIGNIFICANT = 0.05
DIGITS = 5  # of a score by the text's greatest: what differs by less is rounding in float32


def gradient_importance(
    model: AttentionModel, inputs: Inputs, classes: Tensor | None = None
) -> Tensor:
    """(B, L) g_t = sum_o |sum_e dp_o/dE_te E_te|, divided by its sum over the text.

    The attention is a constant: the gradient is that of what attention weighs. (As in the
    published code; the text of the paper has the gradient by the one-hot input.)

    Args:
        classes: (B,) int64, the only output of each text to be derived; by default all of them.
    """
    row, text = own_row(model, inputs), text_tokens(model, inputs)
    with torch.enable_grad():
        embedded = model.embed(inputs).detach().requires_grad_()
        logits = model.decide(embedded, inputs, row).decision
        probabilities = logits.float().softmax(-1)
        outputs = (
            probabilities.unbind(-1)
            if classes is None
            else [probabilities.gather(-1, classes[:, None])[:, 0]]
        )
        total = torch.zeros_like(row)
        for output in outputs:
            (gradient,) = torch.autograd.grad(output.sum(), embedded, retain_graph=True)
            total += (gradient * embedded).sum(-1).detach().float().abs()
    total = total.masked_fill(~text, 0.0)
    return total / total.sum(-1, keepdim=True).clamp_min(torch.finfo(total.dtype).tiny)


def deletion_importance(model: AttentionModel, inputs: Inputs) -> Tensor:
    """(B, L) total variation distance of the decisions with and without the token, which is really
    deleted; 0 at special tokens and padding."""
    with torch.no_grad():
        whole, left = without_each(model, inputs)
    return total_variation(whole[:, None], left)


class Correlation(NamedTuple):
    """Of many texts.

    Attributes:
        mean, deviation: of tau; significant: share of texts with p <= .05.
        texts: how many; constant: how many more have none, since all tokens are alike.
    """

    mean: float
    deviation: float
    significant: float
    texts: int
    constant: int


def kendall(first: Tensor, second: Tensor, text: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Kendall's tau-b of each text's tokens, and the p-value of no correlation.

    Equal words often have equal scores, and are ties: scores are compared to `DIGITS`.

    Args:
        first, second: (B, L) scores; text: (B, L) bool, the tokens that count.

    Returns:
        (B,) tau and (B,) p; NaN where one of the scores is the same at all tokens.
    """
    from scipy.stats import kendalltau

    found = np.full((2, len(text)), np.nan)
    for i, counts in enumerate(text.cpu().numpy()):
        pair = [_rounded(scores[i].double().cpu().numpy()[counts]) for scores in (first, second)]
        if all(len(np.unique(scores)) > 1 for scores in pair):
            found[:, i] = kendalltau(*pair)
    return found[0], found[1]


def _rounded(scores: np.ndarray) -> np.ndarray:
    most = np.abs(scores).max(initial=0.0)
    return (scores / most).round(DIGITS) if most > 0 else scores


def correlation(tau: np.ndarray, p: np.ndarray) -> Correlation:
    """Summary of (N,) texts; NaN throughout where none has a tau."""
    there = ~np.isnan(tau)
    count = int(there.sum())
    if not count:
        return Correlation(np.nan, np.nan, np.nan, 0, len(tau))
    return Correlation(
        mean=float(tau[there].mean()),
        deviation=float(tau[there].std()),
        significant=float((p[there] <= SIGNIFICANT).mean()),
        texts=count,
        constant=len(tau) - count,
    )


def by_class(
    tau: np.ndarray, p: np.ndarray, predicted: Sequence[int] | np.ndarray
) -> dict[int, Correlation]:
    """A summary for every class that is predicted."""
    of = np.asarray(predicted)
    return {int(c): correlation(tau[of == c], p[of == c]) for c in np.unique(of)}


def importances(model: AttentionModel, inputs: Inputs) -> dict[str, Tensor]:
    """(B, L) each: what the three correlations are between, specials and padding 0.

    Of texts that are read for something the gradient is that of the predicted class, as published.
    """
    row = own_row(model, inputs).masked_fill(~text_tokens(model, inputs), 0.0)
    classes = None
    if inputs.query is not None:
        with torch.no_grad():
            classes = decided(model, inputs).argmax(-1)
    return {
        "attention": row,
        "gradient": gradient_importance(model, inputs, classes),
        "deletion": deletion_importance(model, inputs),
    }
