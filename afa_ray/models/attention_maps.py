"""All attention weights of a Hugging Face model's forward pass, as a gradient reaches them.

`output_attentions=True` gives the same numbers; but a family may return copies of them, and nothing
can be done to them on their way. So attention is computed here, by the textbook, in an attention
function of transformers' interface, and each layer's weights are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

from afa_ray.models.interface import Inputs
from afa_ray.models.pretrained import Aligned, PretrainedTarget, roll
from afa_ray.models.probing import UnreadableAttentionError

IMPLEMENTATION = "afa_maps"  # value of `attn_implementation`


@dataclass
class _Keep:
    """The weights of each attention layer that was passed. By which of its heads a gradient may
    pass on: (layers, B or 1, H), or None for all. What weights are multiplied with by the token
    that is attended to: (B, L), or None."""

    heads: Tensor | None
    gates: Tensor | None
    maps: list[Tensor] = field(default_factory=list)


_keep: ContextVar[_Keep | None] = ContextVar("attention weights of a forward pass", default=None)


class _Gated(torch.autograd.Function):
    """x, (B, H, …), whose gradient is multiplied by a (B or 1, H) gate."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gate: Tensor) -> Tensor:
        ctx.save_for_backward(gate)
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (gate,) = ctx.saved_tensors
        return gradient * gate[..., None, None], None


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, Tensor]:
    """Attention as transformers calls it, without dropout: outputs and (B, H, L, L) weights."""
    scale = query.shape[-1] ** -0.5 if (s := options.get("scaling")) is None else s
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (x.repeat_interleave(groups, 1) for x in (key, value))
    scores = torch.matmul(query, key.transpose(-1, -2)) * scale
    if (cap := options.get("softcap")) is not None:
        scores = torch.tanh(scores / cap) * cap
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = torch.softmax(scores, -1)
    keep = _keep.get()
    if keep is not None:
        if keep.heads is not None:
            gate = keep.heads[len(keep.maps)]
            weights, value = _Gated.apply(weights, gate), _Gated.apply(value, gate)
        keep.maps.append(weights)
        if keep.gates is not None:
            weights = weights * keep.gates[:, None, None].to(weights.dtype)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), weights


AttentionInterface.register(IMPLEMENTATION, attend)
AttentionMaskInterface.register(IMPLEMENTATION, eager_mask)


class Maps(NamedTuple):
    """A forward pass, its texts on the side that the family needs.

    Attributes:
        logits: (B, C).
        maps: (B, H, L, L) attention weights of each layer, the first one first.
        states: (B, L, d) hidden states: the first layer's input, then each layer's output.
        texts: the batch as it was read.
    """

    logits: Tensor
    maps: list[Tensor]
    states: list[Tensor]
    texts: Aligned


def read_maps(
    target: PretrainedTarget,
    inputs: Inputs,
    embedded: Tensor | None = None,
    heads: Tensor | None = None,
    gates: Tensor | None = None,
) -> Maps:
    """Read the texts, and keep what their attention was.

    Args:
        embedded: (B, L, E), what stands at the tokens instead of their embeddings.
        heads: (layers, B or 1, H), 1 where what comes back to a layer's product of weights and
            values is passed on, 0 where it is not; the weights kept have it all the same.
        gates: (B, L), what every position of every layer attends to a token with is multiplied with
            the token's; the weights kept are those before that.

    Raises:
        UnreadableAttentionError: the family does not go through transformers' attention interface.
    """
    if target.eager:
        raise UnreadableAttentionError(
            f"{target.config.model_type} does not go through transformers' attention interface, "
            "so that its attention weights are not at hand"
        )
    texts = target.align(inputs)
    embedded = target.embed(inputs) if embedded is None else embedded
    keep = _Keep(heads, None if gates is None else roll(gates, texts.shift))
    token = _keep.set(keep)
    try:
        words = target.embedding(roll(embedded, texts.shift))
        with attending_by(IMPLEMENTATION, target), words, target.precision():
            output = target.model(
                input_ids=texts.tokens,
                attention_mask=_seen(texts.mask),
                output_hidden_states=True,
                **target.options,
            )
    finally:
        _keep.reset(token)
    return Maps(output.logits, keep.maps, list(output.hidden_states), texts)


@contextmanager
def attending_by(implementation: str, target: PretrainedTarget) -> Iterator[None]:
    """Within, the model attends by one of transformers' attention interface."""
    before = target.config._attn_implementation
    target.model.set_attn_implementation(implementation)
    try:
        yield
    finally:
        target.model.set_attn_implementation(before)


def _seen(mask: Tensor) -> Tensor:
    """(B, L) int64: an empty text is one padding token."""
    mask = mask.long()
    mask[:, 0] += mask.sum(1) == 0
    return mask
