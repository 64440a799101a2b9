"""What a Hugging Face classifier does with its last layer, found out on two short sequences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from afa_ray.models.attention_row import Given

Reading = Literal["first", "last", "end"]
"""Where a classifier reads: the first token ([CLS]); the last real one, whatever the padding
(causal models); or the last column, which needs padding on the left (XLNet's [CLS])."""

LENGTHS = (7, 4)


class UnreadableAttentionError(ValueError):
    """A model without one attention row that belongs to its decision."""


def probe(model: PreTrainedModel) -> tuple[Tensor, Tensor]:
    """Ids and attention mask, (2, 7) each: sequences of 7 and 4 tokens, padded on the right."""
    config = model.config
    special = (config.pad_token_id, config.bos_token_id, config.eos_token_id)
    ids = cycle([i for i in range(min(config.vocab_size, 100)) if i not in special])
    mask = torch.tensor([[i < n for i in range(max(LENGTHS))] for n in LENGTHS]).long()
    tokens = torch.tensor(list(islice(ids, mask.numel()))).view(mask.shape)
    tokens = tokens.where(mask.bool(), config.pad_token_id)
    return tokens.to(model.device), mask.to(model.device)


def find_reading(model: PreTrainedModel) -> Reading:
    """Where the classifier reads: the one position whose last hidden state moves the logits.

    Raises:
        UnreadableAttentionError: it reads several positions, so no single row is its own.
    """
    hidden: list[Tensor] = []
    hook = model.base_model.register_forward_hook(lambda m, i, output: hidden.append(output[0]))
    words = model.get_input_embeddings().weight
    frozen = not words.requires_grad
    try:
        with hook, torch.inference_mode(False), torch.enable_grad():
            words.requires_grad_(True)  # of a frozen model nothing else has a gradient
            tokens, mask = probe(model)
            logits = model(input_ids=tokens, attention_mask=mask).logits
            (gradient,) = torch.autograd.grad(logits.float().square().sum(), hidden[0])
    finally:
        words.requires_grad_(not frozen)
    read = gradient.abs().sum(-1)[1].nonzero()[:, 0].tolist()  # by the shorter sequence
    if not read:
        raise UnreadableAttentionError(f"the head of {type(model).__name__} is all zeros")
    readings: dict[int, Reading] = {0: "first", LENGTHS[1] - 1: "last", LENGTHS[0] - 1: "end"}
    if len(read) != 1 or read[0] not in readings:
        raise UnreadableAttentionError(
            f"{type(model).__name__} classifies from positions {read} of a text of {LENGTHS[1]} "
            "tokens at once: adversarial feedback shapes the attention of one position"
        )
    return readings[read[0]]


class AttentionTap:
    """Reads the last layer's weights of a model in eager mode, where they enter their dropout.

    Within `giving`, a list holds, after a forward pass, (B, H, L, L) weights as they are before
    dropout. No other layer's weights are kept.

    Args:
        attentions: the last layer's weights for `inputs`, as `output_attentions` in eval mode
            gives them; the tap sits on the dropout module that was handed exactly these.
    """

    def __init__(
        self, model: PreTrainedModel, inputs: dict[str, Tensor], attentions: Tensor
    ) -> None:
        self._found: list[Tensor] = []
        seen: list[tuple[Any, ...]] = []
        hooks = [
            module.register_forward_pre_hook(lambda m, inputs: seen.append((m, *inputs[:1])))
            for module in model.modules()
            if not list(module.children())
        ]
        with torch.no_grad():
            model(**inputs)
        for hook in hooks:
            hook.remove()
        matching = [
            module
            for module, *given in seen
            if given and isinstance(given[0], Tensor) and torch.equal(given[0], attentions)
        ]
        if not matching:
            raise UnreadableAttentionError(
                f"the attention weights of {type(model).__name__} cannot be reached"
            )
        self._module = matching[-1]

    @contextmanager
    def giving(self, given: Given | None = None) -> Iterator[list[Tensor]]:
        """Keep the weights of the forward pass within, with a given row in its place."""
        found: list[Tensor] = []

        def keep(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
            if inputs[0].dim() != 4:  # XLNet drops out other things there, too
                return None
            weights = inputs[0] if given is None else _with_row(inputs[0], given)
            found[:] = [weights]
            return (weights, *inputs[1:])

        with self._module.register_forward_pre_hook(keep):
            yield found


def _with_row(weights: Tensor, given: Given) -> Tensor:
    """(B, H, L, L) with the given row at its position."""
    each = torch.arange(len(given.position), device=given.position.device)
    rows = given.rows(weights.shape[1], lambda: weights[each, :, given.position])
    changed = weights.clone()
    changed[each, :, given.position] = rows.to(weights.dtype)
    return changed
