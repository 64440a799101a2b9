"""Explainers by attention weights and their gradients, and the one that looks at nothing."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from afa_ray.explainers.interface import CannotExplainError
from afa_ray.explainers.layers import Layers, back, gradients, layers_of, real_pairs, row_of
from afa_ray.models import OwnTarget, Target
from afa_ray.models.interface import AttentionModel, Inputs
from afa_ray.noise import stream, uniform


def attention(model: AttentionModel, inputs: Inputs, classes: Tensor) -> Tensor:
    """(E1) The model's own attention row, for whatever class; one forward pass."""
    return model.decide(model.embed(inputs), inputs).row


def random(model: AttentionModel, inputs: Inputs, classes: Tensor, *, seed: int = 0) -> Tensor:
    """Uniform numbers, a function of the seed and of the text alone; no pass at all."""
    tokens, present = inputs.tokens.cpu(), inputs.present.cpu()
    scores = torch.zeros(tokens.shape)
    for row, text, real in zip(scores, tokens, present, strict=True):
        number = torch.tensor([stream(*text[real].tolist())])
        row[real] = uniform(seed, 0, number, 1, int(real.sum()))[0, 0]
    return scores.to(inputs.tokens.device)


def rollout(model: AttentionModel, inputs: Inputs, classes: Tensor) -> Tensor:
    """Attention rollout (Abnar and Zuidema 2020), for whatever class: M_L ... M_1 at the position
    that is read, M the mean over heads of A plus I, its rows divided by their sum."""
    if isinstance(model, OwnTarget):
        raise CannotExplainError(
            "rollout: a single layer has nothing to roll out, its attention row is what came of it"
        )
    with torch.no_grad():
        layers = layers_of("rollout", model, inputs)
        return back(row_of(rolled_out([m.mean(1) for m in layers.maps]), layers), layers)


def rolled_out(maps: list[Tensor]) -> Tensor:
    """(B, L, L): the product of (B, L, L) maps + I, each row divided by its sum."""
    joint = torch.eye(maps[0].shape[-1], device=maps[0].device)
    for one in maps:
        through = one.float() + torch.eye(one.shape[-1], device=one.device)
        joint = through / through.sum(-1, keepdim=True) @ joint
    return joint


def gae(model: AttentionModel, inputs: Inputs, classes: Tensor) -> Tensor:
    """Generic attention explainability (Chefer et al., ICCV 2021).

    R = I; in each layer R += mean over heads of relu(dA * A) R, dA the gradient of the class's
    logit; the row of the position that is read. The paper of CVPR 2021 is
    `transformer_attribution`. A token that is read and is part of the text, as the last one of a
    decoder, has the 1 of I.
    """
    if isinstance(model, Target) and len(model.layers) > 1:
        raise CannotExplainError(
            "gae: the hops of a single layer all read its inputs, and R += A R is for layers that "
            "read one another"
        )
    layers = with_gradients("gae", model, inputs, classes)
    if isinstance(model, OwnTarget):  # its row alone; what I adds stands at a special token
        return back((layers.slopes[0] * layers.maps[0]).relu().mean(1)[:, 0], layers)
    relevance = torch.eye(layers.maps[0].shape[-1], device=inputs.tokens.device)
    for weights, slope in zip(layers.maps, layers.slopes, strict=True):
        relevance = relevance + (slope * weights).relu().mean(1).float() @ relevance
    return back(row_of(relevance, layers), layers)


def cam(model: AttentionModel, inputs: Inputs, classes: Tensor) -> Tensor:
    """relu of the mean over heads and query rows of dA in the last layer.

    Which of ExpNet's two names, CAM and GradCAM, means which formula, is our reading.
    """
    layers = with_gradients("cam", model, inputs, classes)
    pairs = real_pairs(layers)
    slope = layers.slopes[-1].float().mean(1) * pairs
    rows = pairs.any(-1).sum(-1).clamp_min(1)
    return back((slope.sum(1) / rows[:, None]).relu(), layers)


def gradcam(model: AttentionModel, inputs: Inputs, classes: Tensor) -> Tensor:
    """Grad-CAM of the last layer's attention: w_h the mean of dA_h, relu of the mean over heads of
    w_h A_h, its least number set to 0 and its greatest to 1; the row of the position that is read.

    See `cam` on the name.
    """
    layers = with_gradients("gradcam", model, inputs, classes)
    pairs = real_pairs(layers)
    count = pairs.sum((1, 2)).clamp_min(1)
    weight = (layers.slopes[-1].float() * pairs[:, None]).sum((2, 3)) / count[:, None]  # (B, H)
    found = (weight[..., None, None] * layers.maps[-1].float()).mean(1).relu()
    least = found.masked_fill(~pairs, torch.inf).amin((1, 2), keepdim=True)
    most = found.masked_fill(~pairs, -torch.inf).amax((1, 2), keepdim=True)
    scaled = (found - least) / (most - least).clamp_min(1e-30)
    return back(row_of(scaled, layers), layers)


def attcat(
    model: AttentionModel,
    inputs: Inputs,
    classes: Tensor,
    *,
    states: Literal["inputs", "outputs"] = "inputs",
) -> Tensor:
    """AttCAT (Qiang et al. 2022): the sum over layers of (dH . H) times the mean over heads and
    query rows of A at the token; signed.

    Args:
        states: H, the layers' inputs, as in the authors' repository, or their outputs, as in the
            paper's words.
    """
    if isinstance(model, OwnTarget):
        raise CannotExplainError(
            "attcat: a single layer has no query but the last token's, so that no mean over "
            "queries tells what attention a token gets"
        )
    layers = with_gradients("attcat", model, inputs, classes)
    first = 0 if states == "inputs" else 1
    pairs = real_pairs(layers)
    rows = pairs.any(-1).sum(-1).clamp_min(1)[:, None]
    total = torch.zeros(inputs.tokens.shape, device=inputs.tokens.device)
    for number, weights in enumerate(layers.maps):
        state, slope = layers.states[number + first], layers.state_slopes[number + first]
        received = (weights.float().mean(1) * pairs).sum(1) / rows
        total += (state.float() * slope.float()).sum(-1) * received
    return back(total, layers)


def with_gradients(method: str, model: AttentionModel, inputs: Inputs, classes: Tensor) -> Layers:
    with torch.enable_grad():
        return gradients(method, layers_of(method, model, inputs), classes)
