"""Explainers that fit a linear model to what the classifier says of a text without some words.

A word that is missing is really deleted. A word's score is that of each of its pieces. Regressions
are scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import comb

import numpy as np
import torch
from torch import Tensor

from afa_ray.explainers.interface import CannotExplainError, Explained, text_tokens
from afa_ray.explainers.perturbation import probabilities_without
from afa_ray.models.interface import AttentionModel, Inputs
from afa_ray.noise import stream

Fit = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, float]]
"""((S, n) kept words, the text itself and none of them first; (S,) weights; (S,) probabilities) ->
(n,) scores of the words, and the fit's R²."""


def shap(
    model: AttentionModel,
    inputs: Inputs,
    classes: Tensor,
    *,
    units: Tensor | None = None,
    samples: int = 200,
    seed: int = 0,
) -> Explained:
    """Kernel SHAP (Lundberg and Lee 2017) of the class's probability, over words.

    All 2^n - 2 sets of n words where that is no more than the samples: exact Shapley values.
    Otherwise so many sets, each with its complement. The scores of a text's words sum to its
    probability minus that of nothing.

    Args:
        units: (B, L) int64, equal at the pieces of a word; by default each token is a word.
        samples: sets of words, beside the text and nothing; seed: of the sets, text by text.

    Returns:
        Explained, with `r2`, weighted as the fit is.
    """
    return _explained(model, inputs, classes, units, seed, samples, _coalitions, _shapley)


def lime(
    model: AttentionModel,
    inputs: Inputs,
    classes: Tensor,
    *,
    units: Tensor | None = None,
    samples: int = 500,
    seed: int = 0,
) -> Explained:
    """LIME (Ribeiro et al. 2016) of the class's probability, over all words of a text.

    Ridge regression (1) on texts without 1 to n random words, which weigh sqrt(exp(-d²/25²)), d 100
    times the cosine distance to the text. Options and figures are those of `shap`.
    """
    return _explained(model, inputs, classes, units, seed, samples, _neighbours, _ridge)


def _explained(
    model: AttentionModel,
    inputs: Inputs,
    classes: Tensor,
    units: Tensor | None,
    seed: int,
    samples: int,
    draw: Callable[[np.random.Generator, int, int], tuple[np.ndarray, np.ndarray]],
    fit: Fit,
) -> Explained:
    if samples < 2:
        raise ValueError(f"samples = {samples}: at least 2 are needed")
    text = text_tokens(model, inputs)
    if units is not None and units.shape != text.shape:
        raise ValueError(f"units of shape {tuple(units.shape)}: input_ids {tuple(text.shape)}")
    scores = torch.zeros(text.shape)
    r2 = torch.full((len(text),), torch.nan)
    for row, columns, word in _words(text, units):
        ids = inputs.tokens[row][inputs.present[row]].tolist()
        kept, weights = draw(np.random.default_rng(stream(seed, *ids)), word.max() + 1, samples)
        gone = torch.zeros(len(kept), text.shape[1], dtype=torch.bool)
        gone[:, columns] = torch.from_numpy(~kept[:, word])
        which = torch.full((len(kept),), row, device=text.device)
        with torch.no_grad():
            found = probabilities_without(model, inputs, which, gone.to(text.device))
        of_class = found[:, classes[row]].double().cpu().numpy()
        if not np.isfinite(of_class).all():
            raise CannotExplainError("the model gives probabilities that are no numbers")
        values, r2[row] = fit(kept.astype(float), weights, of_class)
        scores[row, columns] = torch.from_numpy(values[word]).float()
    return Explained(scores.to(text.device), {"r2": r2})


def _words(text: Tensor, units: Tensor | None) -> Iterator[tuple[int, Tensor, np.ndarray]]:
    """(text, columns of its tokens, their word 0 … n - 1) of each text that has words."""
    for row, its in enumerate(text.cpu()):
        columns = its.nonzero()[:, 0]
        if len(columns):
            of = columns if units is None else units[row].cpu()[columns]
            yield row, columns, np.unique(of.numpy(), return_inverse=True)[1]


def _coalitions(noise: np.random.Generator, n: int, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """(S, n) sets of n words and the weights of the Shapley kernel, or sets drawn by these."""
    ends = np.stack([np.ones(n, bool), np.zeros(n, bool)])
    if n < 30 and 2**n - 2 <= samples:
        sets = (np.arange(1, 2**n - 1)[:, None] >> np.arange(n) & 1).astype(bool)
        size = sets.sum(1)
        weights = np.array([(n - 1) / (comb(n, k) * k * (n - k)) for k in size])
    else:
        sizes = np.arange(1, n)
        chance = 1 / (sizes * (n - sizes))
        size = noise.choice(sizes, (samples + 1) // 2, p=chance / chance.sum())
        half = noise.random((len(size), n)).argsort(1).argsort(1) < size[:, None]
        sets = np.concatenate([half, ~half])[:samples]
        weights = np.ones(len(sets))
    return np.concatenate([ends, sets]), np.concatenate([[0.0, 0.0], weights])


def _shapley(kept: np.ndarray, weights: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, float]:
    """Least squares among the scores that sum to the text's probability minus that of nothing."""
    from sklearn.linear_model import LinearRegression  # takes a second to import

    whole, nothing = found[:2]
    total = whole - nothing
    if len(kept) == 2:  # one word
        return np.array([total]), 1.0
    sets, weights, values = kept[2:], weights[2:], found[2:] - nothing
    last = sets[:, -1]
    fitted = LinearRegression(fit_intercept=False).fit(
        sets[:, :-1] - last[:, None], values - last * total, weights
    )
    scores = np.append(fitted.coef_, total - fitted.coef_.sum())
    return scores, _r2(sets @ scores, values, weights)


def _neighbours(noise: np.random.Generator, n: int, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """(S, n) texts without some of n words, and LIME's weights; the text itself is the first."""
    removed = np.append(0, noise.integers(1, n + 1, samples))
    kept = noise.random((len(removed), n)).argsort(1).argsort(1) >= removed[:, None]
    distance = 100 * (1 - np.sqrt(kept.mean(1)))  # cosine of a set and all words: sqrt(k / n)
    return kept, np.sqrt(np.exp(-(distance**2) / 25**2))


def _ridge(kept: np.ndarray, weights: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, float]:
    from sklearn.linear_model import Ridge

    fitted = Ridge(alpha=1.0).fit(kept, found, weights)
    return fitted.coef_, _r2(fitted.predict(kept), found, weights)


def _r2(said: np.ndarray, found: np.ndarray, weights: np.ndarray) -> float:
    """1 - weighted squared error over weighted variance; NaN where nothing varies."""
    variance = (weights * (found - np.average(found, weights=weights)) ** 2).sum()
    error = (weights * (found - said) ** 2).sum()
    return float(1 - error / variance) if variance > 1e-20 else float("nan")
