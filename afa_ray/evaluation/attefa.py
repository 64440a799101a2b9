"""AtteFa: how far decisions must move for attention to move, as one number from 0 to 1.

Amini and Kosseim, "How (Un)Faithful is Attention?", BlackboxNLP 2022. An adversary of the same
architecture is trained to decide as the model does and to attend differently; where it can do so,
attention was no reason.
"""

from __future__ import annotations

from torch import Tensor

from afa_ray.evaluation.distances import LARGEST_DIVERGENCE, jensen_shannon, total_variation


def adversary_loss(
    probabilities: Tensor, own_probabilities: Tensor, row: Tensor, own_row: Tensor
) -> Tensor:
    """(B,) sTVD(p, p') - sJSD(a, a'): the adversary's, less what the model's own are.

    sTVD is the total variation distance by its greatest value, which of C probabilities is 1 (the
    paper's one sigmoid output differs by half of that at most, and is divided by .5); sJSD is the
    Jensen-Shannon divergence by ln 2.

    Args:
        probabilities, own_probabilities: (B, C) of adversary and model; row, own_row: (B, L).
    """
    apart = total_variation(probabilities, own_probabilities)
    return apart - jensen_shannon(row, own_row) / LARGEST_DIVERGENCE


def attefa(total_variation_distance: float, divergence: float) -> float:
    """min(sTVD / sJSD, 1): 0 where attention is changed at no cost to the decision, 1 where it
    cannot be; 1 for an adversary that attends as the model does.

    Args:
        total_variation_distance: mean over texts, 0 to 1; divergence: mean JSD in nats.
    """
    if divergence <= 0:
        return 1.0
    return min(total_variation_distance * LARGEST_DIVERGENCE / divergence, 1.0)
