"""Which epoch is the best."""

from __future__ import annotations

import math


def gain(accuracy: float, best: float, texts: int, margin: float) -> float:
    """What an epoch gains in validation accuracy over the best before it; a loss is negative.

    A gain is none within `margin` standard errors of a proportion, sqrt(a (1 - a) / n). Of a
    hundred texts, one more that is right by chance would have training go on to weights that are
    certain of everything.

    Args:
        accuracy, best: of `texts` validation texts, in [0, 1].
        margin: at least 0.
    """
    gained = accuracy - best
    noise = margin * math.sqrt(best * (1 - best) / texts)
    return 0.0 if 0 < gained <= noise else gained
