"""Explainers that ask the gradient of the class's logit by the word embeddings."""

from __future__ import annotations

import torch
from torch import Tensor

from afa_ray.explainers.interface import Explained, chosen, decided, repeated, taken, text_tokens
from afa_ray.explainers.quadrature import gauss_legendre
from afa_ray.models.interface import AttentionModel, Inputs


def gradient_norm(model: AttentionModel, inputs: Inputs, classes: Tensor) -> Tensor:
    """The Euclidean norm of each token's gradient; one pass forward and back."""
    embedded = model.embed(inputs)
    return gradient(model, embedded, inputs, classes)[0].norm(dim=-1)


def gradient_x_input(model: AttentionModel, inputs: Inputs, classes: Tensor) -> Tensor:
    """Each token's gradient times its embedding (as Jain and Wallace 2019 have it, signed)."""
    embedded = model.embed(inputs)
    return (gradient(model, embedded, inputs, classes)[0] * embedded).sum(-1)


def integrated_gradients(
    model: AttentionModel,
    inputs: Inputs,
    classes: Tensor,
    *,
    steps: int = 50,
    tolerance: float = 0.05,
    most: int = 800,
) -> Explained:
    """Integrated gradients (Sundararajan et al. 2017) from padding tokens to the text.

    The baseline has the padding token's embedding at every token of the text and keeps the special
    ones. Gauss-Legendre quadrature. The scores of a text sum to F(text) - F(baseline), F the
    class's logit, if the steps were enough: `completeness_error` is the difference, and texts where
    it is over `tolerance` of that get twice as many `steps`, and so on up to `most`.

    Returns:
        Explained, with `completeness_error`, `difference` (F(text) - F(baseline)) and `steps`.
    """
    text = text_tokens(model, inputs)
    padded = inputs._replace(tokens=inputs.tokens.masked_fill(text, model.config.pad_token_id))
    ends = (model.embed(padded), model.embed(inputs))
    low, high = (chosen(decided(model, inputs, end), classes) for end in ends)
    difference = high - low
    scores = torch.zeros(inputs.tokens.shape, device=difference.device)
    used, error = torch.zeros_like(difference), torch.full_like(difference, torch.inf)
    left = torch.arange(len(scores), device=scores.device)
    while len(left):
        some = taken(inputs, left)
        start, end = (x[left] for x in ends)
        slope = _mean_gradient(model, start, end, some, classes[left], steps)
        scores[left] = (slope * (end - start).float()).sum(-1)
        used[left] = steps
        error[left] = (scores[left].sum(-1) - difference[left]).abs()
        left = left[(error > tolerance * difference.abs())[left]]
        steps *= 2
        if steps > most:
            break
    return Explained(scores, {"completeness_error": error, "difference": difference, "steps": used})


def gradient(
    model: AttentionModel, embedded: Tensor, inputs: Inputs, classes: Tensor
) -> tuple[Tensor, Tensor]:
    """(B, L, E) float32 gradient of each text's logit of its class by (B, L, E) embeddings, and
    these (B,) logits."""
    with torch.enable_grad():
        embedded = embedded.detach().requires_grad_()
        logits = chosen(decided(model, inputs, embedded), classes)
        (found,) = torch.autograd.grad(logits.sum(), embedded)
    return found.float(), logits.detach()


def _mean_gradient(
    model: AttentionModel, start: Tensor, end: Tensor, inputs: Inputs, classes: Tensor, steps: int
) -> Tensor:
    """(B, L, E) of the gradients on the straight way from (B, L, E) start to end, as many points a
    pass as the model evaluates texts at once."""
    at, of = gauss_legendre(steps)
    places = torch.tensor(at, dtype=start.dtype, device=start.device)
    shares = torch.tensor(of, dtype=torch.float32, device=start.device)
    at_once = max(1, model.evaluation_batch // len(start))
    total = torch.zeros_like(start, dtype=torch.float32)
    for place, share in zip(places.split(at_once), shares.split(at_once), strict=True):
        n = len(place)
        way = start + place[:, None, None, None] * (end - start)
        slopes = gradient(model, way.flatten(0, 1), repeated(inputs, n), classes.repeat(n))[0]
        total += torch.einsum("n,nble->ble", share, slopes.view(n, *start.shape))
    return total
