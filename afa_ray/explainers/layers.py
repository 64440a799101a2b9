"""The attention weights of all layers, and what the class's logit has to say of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from afa_ray.explainers.interface import CannotExplainError, chosen
from afa_ray.models import EncodedTarget, OwnTarget
from afa_ray.models.interface import AttentionModel, Inputs
from afa_ray.models.probing import UnreadableAttentionError


class Layers(NamedTuple):
    """A forward pass in the layout that the model needs, its graph alive where gradients are on.

    Attributes:
        logits: (B, C).
        maps: (B, H, N, L) attention weights by layer, the first one first: N = L, or N = 1 for a
            single layer, which has the row of the position it reads alone.
        states: (B, L, d) the first layer's input, then each layer's output; none of a single layer.
        mask: (B, L) bool, real tokens; position: (B,), of the query rows, which is read.
        shift: (B,) by how many columns the texts were moved to the left.
        slopes, state_slopes: gradients by `maps` and `states`.
    """

    logits: Tensor
    maps: Sequence[Tensor]
    states: Sequence[Tensor]
    mask: Tensor
    position: Tensor
    shift: Tensor
    slopes: Sequence[Tensor] = ()
    state_slopes: Sequence[Tensor] = ()


def layers_of(
    method: str,
    model: AttentionModel,
    inputs: Inputs,
    *,
    embedded: Tensor | None = None,
    heads: Tensor | None = None,
    gates: Tensor | None = None,
) -> Layers:
    """A pass with all attention weights.

    Args:
        embedded, heads, gates: see `read_maps`.

    Raises:
        CannotExplainError: they cannot be had.
    """
    if isinstance(model, OwnTarget):
        return _of_single_layer(model, inputs)
    from afa_ray.models.attention_maps import read_maps
    from afa_ray.models.pretrained import PretrainedTarget

    assert isinstance(model, PretrainedTarget)
    if embedded is None:
        embedded = model.embed(inputs).detach().requires_grad_(torch.is_grad_enabled())
    try:
        read = read_maps(model, inputs, embedded, heads, gates)
    except (UnreadableAttentionError, CannotExplainError) as error:
        raise CannotExplainError(f"{method}: {error}") from error
    texts = read.texts
    return Layers(read.logits, read.maps, read.states, texts.mask, texts.position, texts.shift)


def _of_single_layer(model: OwnTarget, inputs: Inputs) -> Layers:
    """The last hop's row by head, as something that is given to it."""
    rows = rows_by_head(model, inputs)[:, :, None].requires_grad_(torch.is_grad_enabled())
    zero = torch.zeros(len(rows), dtype=torch.int64, device=rows.device)
    logits = model.decide(model.embed(inputs), inputs, rows[:, :, 0]).decision
    return Layers(logits, [rows], [], inputs.present, zero, zero)


def rows_by_head(model: OwnTarget, inputs: Inputs) -> Tensor:
    """(B, H, L): the last hop's row, without gradient; an encoder's has one head."""
    with torch.no_grad():
        if isinstance(model, EncodedTarget):
            row = model.decide(model.embed(inputs), inputs).row
            return row[:, None]
        output = model(inputs.tokens, attention_mask=inputs.present, output_attentions=True)
    return output.attentions[0]


def gradients(method: str, layers: Layers, classes: Tensor) -> Layers:
    """The same with the gradients of each text's logit of its class."""
    wanted = [*layers.maps, *layers.states]
    total = chosen(layers.logits, classes).sum()
    found = torch.autograd.grad(total, wanted, allow_unused=True)
    slopes = [torch.zeros_like(x) if g is None else g for x, g in zip(wanted, found, strict=True)]
    if found[len(layers.maps) - 1] is None:
        raise CannotExplainError(f"{method}: no gradient reaches the model's attention weights")
    n = len(layers.maps)
    return layers._replace(
        maps=[x.detach() for x in layers.maps],
        states=[x.detach() for x in layers.states],
        slopes=slopes[:n],
        state_slopes=slopes[n:],
    )


def row_of(matrix: Tensor, layers: Layers) -> Tensor:
    """(B, L): the row of the position that is read, of (B, N, L)."""
    each = torch.arange(len(matrix), device=matrix.device)
    return matrix[each, layers.position]


def real_pairs(layers: Layers) -> Tensor:
    """(B, N, L) bool: query rows and columns that are real tokens."""
    mask = layers.mask
    queries = mask if layers.maps[-1].shape[-2] > 1 else torch.ones_like(mask[:, :1])
    return queries[:, :, None] & mask[:, None]


def back(scores: Tensor, layers: Layers) -> Tensor:
    """(B, L) scores in the caller's layout, 0 at padding."""
    from afa_ray.models.pretrained import roll

    return roll(scores.detach().float() * layers.mask, -layers.shift)
