"""Asking for an explanation: of any sequence classifier, by the name of a method."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor

from afa_ray.explainers.attention import attcat, attention, cam, gae, gradcam, random, rollout
from afa_ray.explainers.expnet import expnet
from afa_ray.explainers.gradients import gradient_norm, gradient_x_input, integrated_gradients
from afa_ray.explainers.interface import Explained, Explainer, decided, text_tokens
from afa_ray.explainers.perturbation import leave_one_out
from afa_ray.explainers.reading import attention_ig, attention_x_gradient, layers_ig
from afa_ray.explainers.relevance import (
    attn_lrp,
    cp_lrp,
    full_lrp,
    masked_attribution,
    partial_lrp,
    transformer_attribution,
)
from afa_ray.explainers.surrogates import lime, shap
from afa_ray.models import OwnTarget, Target
from afa_ray.models.interface import AttentionModel, Inputs
from afa_ray.models.opened import without_adapters

if TYPE_CHECKING:
    from afa_ray.models.pretrained import PretrainedTarget

Method: TypeAlias = Callable[..., Tensor | Explained]

METHODS: dict[str, Method] = {
    "attention": attention,
    "attention_x_gradient": attention_x_gradient,
    "attention_ig": attention_ig,
    "layers_ig": layers_ig,
    "random": random,
    "gradient_norm": gradient_norm,
    "gradient_x_input": gradient_x_input,
    "ig": integrated_gradients,
    "leave_one_out": leave_one_out,
    "rollout": rollout,
    "gae": gae,
    "cam": cam,
    "gradcam": gradcam,
    "attcat": attcat,
    "lrp": partial_lrp,
    "full_lrp": full_lrp,
    "transformer_attribution": transformer_attribution,
    "mgae": masked_attribution,
    "cp_lrp": cp_lrp,
    "attn_lrp": attn_lrp,
    "shap": shap,
    "lime": lime,
    "expnet": expnet,
}
"""By name: (model, inputs, classes, options by keyword) -> scores, or scores with figures; what
they say of special tokens and padding is not used."""


def explain(
    model: AttentionModel, inputs: Inputs, classes: Tensor, method: str, **options: Any
) -> Explained:
    """Scores of the method, with what it can say of them.

    Args:
        classes: (B,) int64; options: of the method, see its function in `METHODS`.

    Returns:
        Explained; among its figures `seconds`, a text's share of the time it took.

    Raises:
        ValueError: no such method or option, or the method is not defined for the model.
    """
    function = _method(method, options)
    start = time.perf_counter()
    with torch.no_grad():
        found = function(model, inputs, classes, **options)
        scores, figures = found if isinstance(found, Explained) else Explained(found, {})
        scores = scores.float().masked_fill(~text_tokens(model, inputs), 0.0)
    seconds = (time.perf_counter() - start) / max(1, len(scores))
    return Explained(scores, figures | {"seconds": torch.full((len(scores),), seconds)})


def _scores(method: str, model: AttentionModel, inputs: Inputs, classes: Tensor) -> Tensor:
    return explain(model, inputs, classes, method).scores


EXPLAINERS: dict[str, Explainer] = {name: partial(_scores, name) for name in METHODS}


def scores(
    model: Any,
    input_ids: Tensor,
    attention_mask: Tensor | None,
    method: str,
    target: int | Tensor | None = None,
    **options: Any,
) -> Tensor:
    """(B, L) what each token meant to a decision, by one of `EXPLAINERS`.

    Args:
        model: any Hugging Face sequence classifier that reads one position, or one of ours.
        input_ids, attention_mask: (B, L), as its tokenizer returns them.
        target: the class to explain, one for all texts or (B,) int64; by default the predicted one.
        options: of the method; and `special_tokens_mask`, (B, L), 1 at tokens that are no part of
            the text, as a tokenizer returns it; by default those that the model's configuration
            names, see `text_tokens`.

    Returns:
        (B, L) float32, higher where a token speaks more for the class, 0 at special tokens and
        padding; neither the other texts of the batch nor padding change a text's scores.

    Raises:
        ValueError: no such method, option or class; a method that is not defined for the model; a
            text that it cannot read.
    """
    return explained(model, input_ids, attention_mask, method, target, **options).scores


def explained(
    model: Any,
    input_ids: Tensor,
    attention_mask: Tensor | None,
    method: str,
    target: int | Tensor | None = None,
    *,
    special_tokens_mask: Tensor | None = None,
    query: Tensor | None = None,
    **options: Any,
) -> Explained:
    """`scores`, with the method's figures and the seconds; see there and `explain`.

    Args:
        query: (B, Q) tokens of what each text is read for, where the model was trained on pairs.
    """
    _method(method, options)
    with opened(model) as ours:
        inputs = _inputs(ours, input_ids, attention_mask, special_tokens_mask)
        if query is not None:
            inputs = inputs._replace(query=query.to(ours.device))
        classes = _classes(ours, inputs, target)
        return explain(ours, inputs, classes, method, **options)


@contextmanager
def opened(model: Any) -> Iterator[AttentionModel]:
    """The model as an `AttentionModel` in eval mode; afterwards it is as it was."""
    training = model.training
    model.eval()
    try:
        if isinstance(model, OwnTarget):
            yield model
        else:
            with _opened_pretrained(model) as target:
                yield target.eval()
    finally:
        model.train(training)


@contextmanager
def _opened_pretrained(model: Any) -> Iterator[PretrainedTarget]:
    from afa_ray.models.opened import as_target, require_readable
    from afa_ray.models.pretrained import PretrainedTarget  # seconds, with all that it imports

    if isinstance(model, PretrainedTarget):
        yield model
        return
    base = without_adapters(model)
    require_readable(base, 0)
    with as_target(base) as target:
        yield target


def _method(name: str, options: dict[str, Any]) -> Method:
    if name not in METHODS:
        raise ValueError(f"no explainer is called {name!r}: take one of {', '.join(METHODS)}")
    found = signature(METHODS[name]).parameters.values()
    known = [p.name for p in found if p.kind == Parameter.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            raise ValueError(f"{name} has no option {option!r}: {_listed(known)}")
    return METHODS[name]


def _listed(names: list[str]) -> str:
    return f"it has {', '.join(names)}" if names else "it has none"


def _inputs(
    model: AttentionModel, ids: Tensor, mask: Tensor | None, special: Tensor | None
) -> Inputs:
    """The batch as models read it, on the model's device.

    Raises:
        ValueError: shapes that do not fit, or a text that the model cannot read.
    """
    from afa_ray.models.opened import require_readable

    if ids.dim() != 2:
        raise ValueError(f"input_ids of shape {tuple(ids.shape)}: they are (texts, tokens)")
    for name, given in (("attention_mask", mask), ("special_tokens_mask", special)):
        if given is not None and given.shape != ids.shape:
            raise ValueError(
                f"{name} of shape {tuple(given.shape)}: input_ids have {tuple(ids.shape)}"
            )
    if not isinstance(model, OwnTarget):
        require_readable(model.model, ids.shape[1])  # type: ignore[attr-defined]
    present = (ids != model.config.pad_token_id) if mask is None else mask.bool()
    if isinstance(model, OwnTarget):
        _require_right_padding(present)
    if isinstance(model, Target):
        _require_short(model, present)
    return Inputs(
        ids.to(model.device),
        present.to(model.device),
        special=None if special is None else special.bool().to(model.device),
    )


def _require_right_padding(present: Tensor) -> None:
    if (present[:, 1:] > present[:, :-1]).any():
        raise ValueError("padding on the left: pad on the right (tokenizer.padding_side)")


def _require_short(model: Target, present: Tensor) -> None:
    longest = model.config.max_position_embeddings
    if present.shape[1] > longest:
        raise ValueError(
            f"input_ids of {present.shape[1]} columns: the model has positions for {longest} "
            f"tokens; give its tokenizer truncation=True, max_length={longest}"
        )


def _classes(model: AttentionModel, inputs: Inputs, target: int | Tensor | None) -> Tensor:
    """(B,) to explain.

    Raises:
        ValueError: a class that the model does not have, or not one for each text.
    """
    if target is None:
        with torch.no_grad():
            return decided(model, inputs).argmax(-1)
    count, texts = model.config.num_labels, len(inputs.tokens)
    classes = torch.as_tensor(target, device=inputs.tokens.device)
    if classes.dim() == 0:
        classes = classes.expand(texts)
    if classes.shape != (texts,) or classes.is_floating_point():
        raise ValueError(f"target is a class, or (B,) classes as int64 for {texts} texts")
    wrong = classes[(classes < 0) | (classes >= count)]
    if len(wrong):
        raise ValueError(f"target = {int(wrong[0])}: the model has classes 0 to {count - 1}")
    return classes.long()
