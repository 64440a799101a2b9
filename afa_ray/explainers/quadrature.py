"""Means over the way from 0 to 1, from few points."""

from __future__ import annotations

import numpy as np


def gauss_legendre(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """(S,) float64 places between 0 and 1, and their (S,) shares of the mean, which sum to 1.

    Exact for polynomials up to degree 2 S - 1.
    """
    roots, weights = np.polynomial.legendre.leggauss(steps)
    return (1 + roots) / 2, weights / 2
