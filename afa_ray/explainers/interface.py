"""An explainer: what each token meant to a model's decision."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from afa_ray.models.interface import AttentionModel, Inputs

Explainer: TypeAlias = Callable[[AttentionModel, Inputs, Tensor], Tensor]
"""(model in eval mode, inputs, class (B,) int64 to explain) -> (B, L) scores, higher where a token
speaks more for the class; special tokens and padding have 0. Gradients are off when it is called:
one that needs them switches them on."""

NAMED = ("pad", "bos", "eos", "cls", "sep")  # special tokens, in a configuration


class Explained(NamedTuple):
    """Scores, and what can be said of each text's: `figures` are (B,) each."""

    scores: Tensor
    figures: dict[str, Tensor]


class CannotExplainError(ValueError):
    """A method that is not defined for a model, or not for these inputs: in one sentence."""


def text_tokens(model: AttentionModel, inputs: Inputs) -> Tensor:
    """(B, L) bool: the tokens that are part of the text, which a method may score and take away.

    Where the inputs do not say what is special, it is what the model's configuration names, and the
    token that an encoder reads at. A configuration of BERT names nothing: its [SEP] counts as text
    then.
    """
    if inputs.special is not None:
        return inputs.present & ~inputs.special
    text = inputs.present.clone()
    for name in NAMED:
        ids = getattr(model.config, f"{name}_token_id", None)
        for number in ids if isinstance(ids, list) else [ids]:
            if number is not None:
                text &= inputs.tokens != number
    reading = getattr(model, "reading", "last")
    if reading != "last":
        text &= ~outermost(inputs.present, reading == "first")
    return text


def outermost(present: Tensor, first: bool) -> Tensor:
    """(B, L) bool, true at the first or at the last real token of each text."""
    count = present.cumsum(1)
    return present & (count == (1 if first else count[:, -1:]))


def decided(model: AttentionModel, inputs: Inputs, embedded: Tensor | None = None) -> Tensor:
    """(B, C) logits, of (B, L, E) embeddings where these are not the texts' own."""
    return model.decide(model.embed(inputs) if embedded is None else embedded, inputs).decision


def chosen(logits: Tensor, classes: Tensor) -> Tensor:
    """(B,) float32 logits of the classes, of (B, C)."""
    return logits.float().gather(1, classes[:, None])[:, 0]


def repeated(inputs: Inputs, times: int) -> Inputs:
    """The batch `times` over, one after the other."""
    return taken(
        inputs, torch.arange(len(inputs.tokens), device=inputs.tokens.device).repeat(times)
    )


def taken(inputs: Inputs, which: Tensor) -> Inputs:
    """The texts (N,) `which` of the batch."""
    tokens, present, query, special = (None if x is None else x[which] for x in inputs)
    assert tokens is not None
    assert present is not None
    return Inputs(tokens, present, query, special)
