"""The attention row of a model as transformers opens it: one of ours, or anyone's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch import Tensor

from afa_ray.models.own_target import OwnTarget

if TYPE_CHECKING:
    from afa_ray.models.pretrained import PretrainedTarget

INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def attention_row(model: Any, **inputs: Tensor) -> Tensor:
    """(E1) The attention that a sequence classifier decides by: one weight for each token.

    The mean over heads of the last layer's attention at the one position that is classified, before
    dropout, differentiable. A pretrained model is probed anew by each call, with a few passes of
    two short sequences: give it batches.

    Args:
        model: what `AutoModelForSequenceClassification` opens: a Target of afa_ray, a
            pretrained Target that was saved, or any other classifier that reads one position.
        inputs: (B, L) each, as its tokenizer returns them: `input_ids`, and where there are any
            `attention_mask` and `token_type_ids`.

    Returns:
        (B, L), a weight for each of `input_ids`, special tokens included: the real tokens' sum to
        1, padding has 0. So have the tokens of a too long text that a single layer does not read.

    Raises:
        ValueError: a text that is too long for a pretrained model, inputs of another name, or no
            single row that belongs to the model's decision.
    """
    other = sorted(set(inputs) - set(INPUTS))
    if other or "input_ids" not in inputs:
        wrong = f"not {', '.join(other)}" if other else "and input_ids at least"
        raise ValueError(f"attention_row takes {', '.join(INPUTS)}, {wrong}")
    if isinstance(model, OwnTarget):
        return model(**inputs).row
    model = without_adapters(model)
    require_readable(model, inputs["input_ids"].shape[1])
    with as_target(model) as target:
        return target(**inputs).row


def without_adapters(model: Any) -> Any:
    """The model that peft's adapters, if it has any, are built into."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def require_readable(model: Any, length: int) -> None:
    from afa_ray.models.loading import longest_text

    if model.config.pad_token_id is None:
        raise ValueError(
            "the model's configuration names no padding: set model.config.pad_token_id to that of "
            "the tokenizer"
        )
    limit = longest_text(model)
    if limit is not None and length > limit:
        raise ValueError(
            f"input_ids of {length} columns: the model has positions for {limit} tokens; give its "
            f"tokenizer truncation=True, max_length={limit}"
        )


@contextmanager
def as_target(model: Any) -> Iterator[PretrainedTarget]:
    """The model as a Target, whose way of computing attention is put back afterwards."""
    from afa_ray.models.pretrained import PretrainedTarget

    before = model.config._attn_implementation
    try:
        yield PretrainedTarget(model)
    finally:
        model.set_attn_implementation(before)
