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


PUBLISHED = {
    "mock-1": (0.0304, 0.8153),
    "mock-2": (0.0329, 0.5086),
    "mock-5": (0.0037, 0.4987),
    "mock-10": (0.0012, 0.5028),
    "mock-1q": (0.0006, 0.2721),
    "mock-2q": (0.0008, 0.1983),
    "mock-3q": (0.0003, 0.0013),
    "mock-4q": (0.0002, 0.0002),
    "sst2_sentences": (0.0760, 0.3645),
    "imdb": (0.0769, 0.3826),
    "20 newsgroups": (0.0931, 0.4444),
}
"""Table 3 of the paper by data set: AtteFa of an LSTM, and of words each by itself (its MLP). Its
epochs were chosen on test texts. (Its AG News, two of the four classes, are another set.)"""
