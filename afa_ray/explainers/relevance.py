"""Explainers by relevance: LRP, what attention makes of it, and the rules of AttnLRP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from afa_ray.explainers import attnlrp, lrp
from afa_ray.explainers.attention import rolled_out, with_gradients
from afa_ray.explainers.interface import CannotExplainError, chosen
from afa_ray.explainers.layers import Layers, back, layers_of, row_of, rows_by_head
from afa_ray.explainers.rules import Rule, following
from afa_ray.models import EncodedTarget, Target
from afa_ray.models.interface import AttentionModel, Inputs


def partial_lrp(model: AttentionModel, inputs: Inputs, classes: Tensor) -> Tensor:
    """The relevance of the last layer's attention weights, at least 0, mean over heads; the row of
    the position that is read."""
    layers, (relevance,) = _relevance("lrp", model, inputs, classes, lambda x: x.maps[-1:])
    return back(row_of(relevance.clamp_min(0).mean(1), layers), layers)


def full_lrp(model: AttentionModel, inputs: Inputs, classes: Tensor) -> Tensor:
    """The relevance of the first layer's input, summed over the hidden dimension: over all tokens,
    special ones included, it is 1."""
    layers, (relevance,) = _relevance("full_lrp", model, inputs, classes, lambda x: x.states[:1])
    return back(relevance.sum(-1), layers)


def transformer_attribution(model: AttentionModel, inputs: Inputs, classes: Tensor) -> Tensor:
    """Chefer et al., CVPR 2021: the rollout of mean over heads of relu(dA * R_A), dA the gradient
    of the class's logit by a layer's attention weights and R_A their relevance."""
    return _attribution("transformer_attribution", model, inputs, classes, None)


def masked_attribution(
    model: AttentionModel, inputs: Inputs, classes: Tensor, *, heads: Tensor | None = None
) -> Tensor:
    """MGAE: `transformer_attribution` with relevance passed on by some heads alone.

    Args:
        heads: (layers, H), 1 at those; by default each text's positional ones, whose greatest
            weight stands at one distance from the query in more than 80% of its rows. Heads that
            follow syntax, which would need a parser, are not among them.
    """
    _require_layers("mgae", model)
    if heads is None:
        with torch.no_grad():
            gates = positional_heads(layers_of("mgae", model, inputs))
    else:
        with torch.no_grad():
            shape = [len(maps := layers_of("mgae", model, inputs).maps), maps[0].shape[1]]
        if list(heads.shape) != shape:
            raise ValueError(f"mgae: heads of shape {tuple(heads.shape)}: the model has {shape}")
        gates = heads.float().to(inputs.tokens.device)[:, None]
    return _attribution("mgae", model, inputs, classes, gates)


def positional_heads(layers: Layers) -> Tensor:
    """(layers, B, H), 1 where the greatest weight stands at one distance from the query, the most
    frequent one, in more than 80% of a text's rows."""
    length = layers.mask.shape[1]
    column = torch.arange(length, device=layers.mask.device)
    count = layers.mask.sum(1).clamp_min(1)
    found = []
    for weights in layers.maps:
        distance = weights.argmax(-1) - column + length  # (B, H, L), 1 … 2 L - 1
        each = F.one_hot(distance, 2 * length) * layers.mask[:, None, :, None]
        found.append(each.sum(2).amax(-1) > 0.8 * count[:, None])
    return torch.stack(found).float()


def cp_lrp(model: AttentionModel, inputs: Inputs, classes: Tensor) -> Tensor:
    """CP-LRP: attention weights are constants; see `attnlrp`. Times the word embeddings."""
    _require_rules("cp_lrp", model)
    return _gradient_x_input("cp_lrp", model, inputs, classes, attnlrp.CP)


def attn_lrp(model: AttentionModel, inputs: Inputs, classes: Tensor) -> Tensor:
    """AttnLRP; see `attnlrp`. Times the word embeddings."""
    _require_rules("attn_lrp", model)
    if isinstance(model, Target):
        raise CannotExplainError(
            "attn_lrp: a single layer's keys are absorbed into its query, so that it has not the "
            "products that the rules are for; cp_lrp needs none of them"
        )
    return _gradient_x_input("attn_lrp", model, inputs, classes, attnlrp.ATTN)


def _gradient_x_input(
    method: str,
    model: AttentionModel,
    inputs: Inputs,
    classes: Tensor,
    rules: Mapping[str, Rule],
) -> Tensor:
    with torch.no_grad():
        embedded = model.embed(inputs).detach()
    with following(model, rules, strict=False):  # type: ignore[arg-type]
        words = embedded.clone().requires_grad_()
        total = chosen(_logits(method, model, inputs, words), classes).sum()
        (slope,) = torch.autograd.grad(total, words)
    return (slope.float() * embedded.float()).sum(-1)


def _logits(method: str, model: AttentionModel, inputs: Inputs, embedded: Tensor) -> Tensor:
    """(B, C) of the embeddings; a single layer attends by its rows, which are constants."""
    if not isinstance(model, Target):
        return layers_of(method, model, inputs, embedded=embedded).logits
    if len(model.layers) > 1:
        raise CannotExplainError(
            f"{method}: a single layer's first hop decides where the second one looks, and its "
            "attention cannot be held constant"
        )
    return model.decide(embedded, inputs, rows_by_head(model, inputs)).decision


def _attribution(
    method: str, model: AttentionModel, inputs: Inputs, classes: Tensor, gates: Tensor | None
) -> Tensor:
    layers, relevance = _relevance(method, model, inputs, classes, lambda x: x.maps, gates)
    slopes = with_gradients(method, model, inputs, classes).slopes
    cams = [(g * r).relu().mean(1) for g, r in zip(slopes, relevance, strict=True)]
    return back(row_of(rolled_out(cams), layers), layers)


def _relevance(
    method: str,
    model: AttentionModel,
    inputs: Inputs,
    classes: Tensor,
    wanted: Callable[[Layers], Sequence[Tensor]],
    gates: Tensor | None = None,
) -> tuple[Layers, Sequence[Tensor]]:
    """A pass by the rules of LRP, and the relevance of what is wanted of it."""
    _require_layers(method, model)
    with following(model, lrp.RULES, strict=True):  # type: ignore[arg-type]
        layers = layers_of(method, model, inputs, heads=gates)
        start = F.one_hot(classes, layers.logits.shape[-1]).to(layers.logits.dtype)
    return layers, torch.autograd.grad(layers.logits, list(wanted(layers)), start)


def _require_rules(method: str, model: AttentionModel) -> None:
    if isinstance(model, EncodedTarget):
        raise CannotExplainError(
            f"{method}: its rules are for layers of Transformers, not for an encoder of another "
            "kind; gradients and leave_one_out need none"
        )


def _require_layers(method: str, model: AttentionModel) -> None:
    _require_rules(method, model)
    if isinstance(model, Target):
        raise CannotExplainError(
            f"{method}: a single layer's keys and values are absorbed into its query, so that it "
            "has not the products that the rules are for"
        )
