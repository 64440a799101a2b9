"""Explainers that take words away and look at what becomes of the class's probability."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from afa_ray.explainers.interface import chosen, decided, text_tokens
from afa_ray.models import Target
from afa_ray.models.interface import AttentionModel, Inputs
from envs import delete_tokens


def leave_one_out(
    model: AttentionModel,
    inputs: Inputs,
    classes: Tensor,
    *,
    by: Literal["signed", "size"] = "signed",
) -> Tensor:
    """p(c | text) - p(c | text without the token), which is really deleted.

    A forward pass of a text for each of its tokens; a single layer reads all of a text's copies in
    one.

    Args:
        by: `size` for the absolute value, where a token that speaks against the class is to count
            as much as one that speaks for it.
    """
    with torch.no_grad():
        whole = _probability(decided(model, inputs), classes)
        given = (inputs, classes, text_tokens(model, inputs), whole)
        left = _copies(model, *given) if isinstance(model, Target) else _shorter(model, *given)
        lost = whole[:, None] - left
    return lost.abs() if by == "size" else lost


def _probability(logits: Tensor, classes: Tensor) -> Tensor:
    """(B,) of the classes, of (B, C) logits."""
    return chosen(logits.float().softmax(-1), classes)


def _copies(model: Target, inputs: Inputs, classes: Tensor, text: Tensor, whole: Tensor) -> Tensor:
    """(B, L) probabilities of the class without each token; `whole` where it is not deleted."""
    tokens = inputs.tokens.masked_fill(~inputs.present, model.config.pad_token_id)
    each = torch.eye(tokens.shape[1], dtype=torch.bool, device=tokens.device)
    at_once = max(1, model.evaluation_batch // len(each))
    parts = [
        model.copies(some, each.expand(len(some), -1, -1)).float().softmax(-1)
        for some in tokens.split(at_once)
    ]
    found = torch.cat(parts)  # (B, L, C)
    of_class = found.gather(2, classes[:, None, None].expand(-1, len(each), 1))[..., 0]
    return of_class.where(text, whole[:, None])


def _shorter(
    model: AttentionModel, inputs: Inputs, classes: Tensor, text: Tensor, whole: Tensor
) -> Tensor:
    """The same of any model."""
    found = whole[:, None].repeat(1, text.shape[1])
    which, column = text.nonzero().T
    gone = F.one_hot(column, text.shape[1]).bool()
    found[which, column] = probability_without(model, inputs, classes, which, gone)
    return found


def probability_without(
    model: AttentionModel, inputs: Inputs, classes: Tensor, which: Tensor, gone: Tensor
) -> Tensor:
    """(N,) probabilities of their classes of the texts (N,) `which` without (N, L) bool `gone`, as
    many at once as the model evaluates."""
    found = torch.zeros(len(which), device=which.device)
    for some in torch.arange(len(which), device=which.device).split(model.evaluation_batch):
        if len(some):
            shorter = deleted(inputs, which[some], gone[some], model.config.pad_token_id)
            found[some] = _probability(decided(model, shorter), classes[which[some]])
    return found


def deleted(inputs: Inputs, which: Tensor, gone: Tensor, pad_id: int) -> Inputs:
    """The texts (N,) `which`, (N, L) bool `gone` of whose tokens are deleted, in no more columns
    than they need."""
    present = delete_tokens(inputs.present[which].long(), gone, 0).bool()
    tokens = delete_tokens(inputs.tokens[which], gone, pad_id)
    used = present.any(0)
    used[0] |= not used.any()
    query = None if inputs.query is None else inputs.query[which]
    return Inputs(tokens[:, used], present[:, used], query)
