"""Explainers that take words away and look at what becomes of the class's probability."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from afa_ray.explainers.interface import decided, outermost, text_tokens
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
        whole, left = without_each(model, inputs)
    lost = of_class(whole, classes)[:, None] - of_class(left, classes)
    return lost.abs() if by == "size" else lost


def without_each(model: AttentionModel, inputs: Inputs) -> tuple[Tensor, Tensor]:
    """(B, C) probabilities of the texts, and (B, L, C) of each without one of its tokens; those of
    the text where that token is no part of it."""
    text, whole = text_tokens(model, inputs), decided(model, inputs).float().softmax(-1)
    if isinstance(model, Target) and not (text & outermost(inputs.present, first=False)).any():
        left = _copies(model, inputs)  # a copy always keeps the token that it is read at
    else:
        left = _shorter(model, inputs, text)
    return whole, left.where(text[..., None], whole[:, None])


def of_class(probabilities: Tensor, classes: Tensor) -> Tensor:
    """(B, …) of (B, …, C): those of each text's class."""
    shape = (-1, *[1] * (probabilities.dim() - 1))
    where = classes.view(shape).expand(*probabilities.shape[:-1], 1)
    return probabilities.gather(-1, where)[..., 0]


def _copies(model: Target, inputs: Inputs) -> Tensor:
    """(B, L, C) probabilities without each token."""
    tokens = inputs.tokens.masked_fill(~inputs.present, model.config.pad_token_id)
    each = torch.eye(tokens.shape[1], dtype=torch.bool, device=tokens.device)
    at_once = max(1, model.evaluation_batch // len(each))
    parts = [
        model.copies(some, each.expand(len(some), -1, -1)).float().softmax(-1)
        for some in tokens.split(at_once)
    ]
    return torch.cat(parts)


def _shorter(model: AttentionModel, inputs: Inputs, text: Tensor) -> Tensor:
    """The same of any model; 0 at what is no part of the text."""
    which, column = text.nonzero().T
    left = probabilities_without(model, inputs, which, F.one_hot(column, text.shape[1]).bool())
    found = left.new_zeros(*text.shape, left.shape[-1])
    found[which, column] = left
    return found


def probabilities_without(
    model: AttentionModel, inputs: Inputs, which: Tensor, gone: Tensor
) -> Tensor:
    """(N, C) of the texts (N,) `which` without (N, L) bool `gone`, as many at once as the model
    evaluates."""
    parts = [
        decided(model, deleted(inputs, some, without, model.config.pad_token_id))
        for some, without in zip(
            which.split(model.evaluation_batch), gone.split(model.evaluation_batch), strict=True
        )
        if len(some)
    ]
    if not parts:
        return torch.zeros(0, model.config.num_labels, device=which.device)
    return torch.cat(parts).float().softmax(-1)


def deleted(inputs: Inputs, which: Tensor, gone: Tensor, pad_id: int) -> Inputs:
    """The texts (N,) `which`, (N, L) bool `gone` of whose tokens are deleted, in no more columns
    than they need."""
    present = delete_tokens(inputs.present[which].long(), gone, 0).bool()
    tokens = delete_tokens(inputs.tokens[which], gone, pad_id)
    used = present.any(0)
    used[0] |= not used.any()
    query = None if inputs.query is None else inputs.query[which]
    return Inputs(tokens[:, used], present[:, used], query)
