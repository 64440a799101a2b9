"""What the papers found, by data set: held beside what is found here.

Jain and Wallace, "Attention is not Explanation", NAACL 2019, Table 2 and the output of their code;
Amini and Kosseim, "How (Un)Faithful is Attention?", BlackboxNLP 2022, Tables 2 and 3.
"""

from __future__ import annotations

from typing import NamedTuple


class Taus(NamedTuple):
    """Accuracy; Kendall's tau of attention with gradients (mean, deviation, share with p <= .05)
    and with leave-one-out, and of these with each other. None where nothing is published."""

    accuracy: float | None
    gradient: tuple[float, float, float | None]
    deletion: float | None
    both: float | None


TAUS: dict[tuple[str, str, str], Taus] = {
    ("sst2_sentences", "lstm", "additive"): Taus(0.808, (0.351, 0.211, 0.49), 0.291, 0.656),
    ("sst2_sentences", "cnn", "additive"): Taus(0.823, (0.477, 0.167, 0.75), 0.352, 0.488),
    ("sst2_sentences", "average", "additive"): Taus(0.807, (0.606, 0.201, 0.85), 0.623, 0.558),
    ("imdb", "lstm", "additive"): Taus(0.898, (0.437, 0.061, 1.0), 0.341, 0.517),
    ("imdb", "lstm", "dot"): Taus(0.885, (0.122, 0.063, 0.62), 0.092, 0.602),
    ("imdb", "average", "additive"): Taus(0.883, (0.675, 0.050, None), 0.576, 0.639),
    ("ag_news_pair", "lstm", "additive"): Taus(0.958, (0.389, 0.134, 0.86), 0.367, 0.612),
    ("ag_news_pair", "average", "additive"): Taus(0.954, (0.770, 0.071, None), 0.507, 0.494),
    ("facts-1", "lstm", "additive"): Taus(1.0, (0.25, 0.16, 0.55), 0.16, None),
    ("facts-1", "average", "additive"): Taus(None, (0.72, 0.12, 0.99), None, None),
    ("facts-2", "lstm", "additive"): Taus(0.65, (-0.02, 0.14, 0.27), -0.01, None),
    ("facts-2", "average", "additive"): Taus(None, (0.68, 0.06, 1.0), None, None),
    ("facts-3", "lstm", "additive"): Taus(0.64, (0.24, 0.11, 0.87), 0.26, None),
    ("facts-3", "average", "additive"): Taus(None, (0.61, 0.13, 1.0), None, None),
}
"""Beside facts-1 to -3 stand the first tasks of bAbI, which they are made in the manner of."""

BASE_F1 = {
    "mock-1": (0.974, 0.975),
    "mock-2": (0.988, 0.989),
    "mock-5": (0.999, 1.000),
    "mock-10": (1.000, 0.999),
    "mock-1q": (1.000, 1.000),
    "mock-2q": (1.000, 1.000),
    "mock-3q": (1.000, 1.000),
    "mock-4q": (1.000, 1.000),
    "sst2_sentences": (0.830, 0.816),
    "imdb": (0.908, 0.882),
    "ag_news_pair": (0.959, 0.956),
}
"""Table 2: of an LSTM, and of words each by itself."""


class Adversaries(NamedTuple):
    """Table 3: means over nine of the epoch, F1, TVD (at most .5), JSD (at most .693), AtteFa, and
    the deviation of the last."""

    epoch: int
    f1: float
    tvd: float
    jsd: float
    attefa: float
    deviation: float


ADVERSARIES: dict[tuple[str, str], Adversaries] = {
    ("mock-1", "lstm"): Adversaries(12, 0.947, 0.015, 0.693, 0.0304, 0.0176),
    ("mock-1", "average"): Adversaries(20, 0.221, 0.231, 0.393, 0.8153, 0.0425),
    ("mock-2", "lstm"): Adversaries(9, 0.977, 0.016, 0.693, 0.0329, 0.0096),
    ("mock-2", "average"): Adversaries(1, 0.221, 0.246, 0.670, 0.5086, 0.0064),
    ("mock-5", "lstm"): Adversaries(7, 1.000, 0.002, 0.693, 0.0037, 0.0008),
    ("mock-5", "average"): Adversaries(9, 0.147, 0.247, 0.686, 0.4987, 0.0027),
    ("mock-10", "lstm"): Adversaries(14, 1.000, 0.001, 0.693, 0.0012, 0.0000),
    ("mock-10", "average"): Adversaries(23, 0.147, 0.249, 0.686, 0.5028, 0.0027),
    ("mock-1q", "lstm"): Adversaries(23, 1.000, 0.000, 0.693, 0.0006, 0.0000),
    ("mock-1q", "average"): Adversaries(37, 0.465, 0.135, 0.689, 0.2721, 0.2407),
    ("mock-2q", "lstm"): Adversaries(35, 1.000, 0.000, 0.678, 0.0008, 0.0010),
    ("mock-2q", "average"): Adversaries(42, 0.751, 0.099, 0.691, 0.1983, 0.2188),
    ("mock-3q", "lstm"): Adversaries(21, 1.000, 0.000, 0.681, 0.0003, 0.0001),
    ("mock-3q", "average"): Adversaries(13, 0.999, 0.001, 0.691, 0.0013, 0.0011),
    ("mock-4q", "lstm"): Adversaries(8, 1.000, 0.000, 0.680, 0.0002, 0.0003),
    ("mock-4q", "average"): Adversaries(3, 1.000, 0.000, 0.690, 0.0002, 0.0000),
    ("sst2_sentences", "lstm"): Adversaries(21, 0.823, 0.034, 0.626, 0.0760, 0.0034),
    ("sst2_sentences", "average"): Adversaries(23, 0.605, 0.173, 0.656, 0.3645, 0.0024),
    ("imdb", "lstm"): Adversaries(49, 0.889, 0.038, 0.691, 0.0769, 0.0090),
    ("imdb", "average"): Adversaries(21, 0.158, 0.190, 0.689, 0.3826, 0.0019),
    ("ag_news_pair", "lstm"): Adversaries(49, 0.958, 0.007, 0.683, 0.0136, 0.0015),
    ("ag_news_pair", "average"): Adversaries(24, 0.610, 0.172, 0.671, 0.3558, 0.0097),
}
