"""Any Hugging Face sequence classifier as the Target, with the interface of the single layer.

What differs between families is found out, not looked up: a probe of two short sequences tells at
which position the classifier reads, and whether the row computed from the last layer's queries and
keys is the one that the family's own eager attention has there.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

from afa_ray.models.attention_row import IMPLEMENTATION, Given, attention_rows, watching
from afa_ray.models.interface import Inputs, TargetOutput
from afa_ray.models.lora import add_adapters, save_adapters
from afa_ray.models.probing import AttentionTap, find_reading, probe
from afa_ray.models.told import Told, adding, last_block

TOLERANCE = {torch.bfloat16: 0.03, torch.float16: 0.01}  # of a weight; 1e-4 in float32


class Aligned(NamedTuple):
    """Texts on the side that a family needs.

    Attributes:
        tokens: (B, L); mask: (B, L) bool, true at real tokens; position: (B,), which is read.
        shift: (B,) by how many columns to the left the tokens were moved, see `roll`.
    """

    tokens: Tensor
    mask: Tensor
    position: Tensor
    shift: Tensor


class PretrainedTarget(nn.Module):
    """A sequence classifier that returns its attention row beside its logits.

    Sequences may be padded on either side: they are moved to the side that the family needs, and
    the row comes back in the caller's layout, so that neither logits nor row depend on padding.

    Args:
        model: a `…ForSequenceClassification` with `config.pad_token_id`; its attention
            implementation is set here.

    Attributes:
        reading: the aggregating position, see `probing.Reading`.
        eager: whether the family does not go through transformers' attention interface, so that it
            runs in eager mode and the row is read from its last layer's weights.
        softcap: what the last layer's attention scores are capped to, or None. SDPA has no cap, so
            that such a family has every layer's attention weights in memory, too.

    Raises:
        UnreadableAttentionError: no single row belongs to the classifier's decision.
    """

    evaluation_batch = 32  # texts
    told: Told | None = None  # what people attend to, while it learns from that
    shows_first = False  # whether outputs hold the first layer's row, too

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model: Any = model  # or the same with adapters
        self.options = (
            {"use_cache": False} if "use_cache" in signature(model.forward).parameters else {}
        )
        training = model.training
        model.eval().set_attn_implementation("eager")
        self.reading = find_reading(model)
        self.softcap: float | None = None
        self._layers = 0  # that attend
        self._tap = self._make_tap()
        self.train(training)

    @property
    def eager(self) -> bool:
        return self._tap is not None

    @property
    def config(self) -> PretrainedConfig:
        return self.model.config

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def adapt(self, **options: Any) -> None:
        """Train low-rank adapters only; see `lora.add_adapters`."""
        self.model = add_adapters(self.model, **options)

    def checkpoint_gradients(self) -> None:
        """Recompute activations in the backward pass instead of keeping them."""
        self.model.activation_checkpointing_enable({"use_reentrant": False})

    def save_pretrained(self, folder: Path, *, merge: bool = False) -> None:
        """As transformers saves a model, or peft its adapters unless they are to be merged in."""
        if isinstance(self.model, PreTrainedModel):
            self.model.save_pretrained(folder)
        else:
            save_adapters(self.model, folder, merge=merge)

    def get_input_embeddings(self) -> nn.Embedding:
        return self.model.get_input_embeddings()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> TargetOutput:
        """Classify (B, L) sequences.

        Args:
            attention_mask: (B, L), 1 at real tokens, which stand together; by default all that is
                not padding. labels: (B,) int64, for the cross-entropy `loss`.
            token_type_ids: (B, L), for a family that has them; training gives none.
        """
        if attention_mask is None:
            attention_mask = input_ids != self.config.pad_token_id
        shift = self._shift(attention_mask)
        mask = roll(attention_mask, shift)
        types = {} if token_type_ids is None else {"token_type_ids": roll(token_type_ids, shift)}
        told = self.told and replace(self.told, weights=roll(self.told.weights, shift))
        logits, rows = self._classify(roll(input_ids, shift), mask, told=told, types=types)
        first = self._first if self.shows_first else None
        return TargetOutput(
            loss=None if labels is None else F.cross_entropy(logits.float(), labels),
            logits=logits,
            attention_row=roll(rows.mean(1) * mask, -shift),
            first_row=None if first is None else roll(first.mean(1) * mask, -shift),
        )

    def embed(self, inputs: Inputs) -> Tensor:
        """(B, L, E): see `AttentionModel`."""
        return self.get_input_embeddings()(inputs.tokens)

    def decide(
        self, embedded: Tensor, inputs: Inputs, attention: Tensor | None = None
    ) -> TargetOutput:
        """See `AttentionModel`; the row that is given is the last layer's at the aggregating
        position."""
        shift = self._shift(inputs.present)
        mask, tokens = roll(inputs.present, shift), roll(inputs.tokens, shift)
        given = None if attention is None else roll(attention, shift)
        embedded = roll(embedded, shift)
        with self.embedding(embedded):
            logits, rows = self._classify(tokens, mask, given=given)
        return TargetOutput(logits=logits, attention_row=roll(rows.mean(1) * mask, -shift))

    def gated(self, inputs: Inputs, gates: Tensor) -> Tensor:
        """(B, C) logits, the last layer's attention at the aggregating position multiplied by
        (B, L) gates."""
        shift = self._shift(inputs.present)
        mask, tokens = roll(inputs.present, shift), roll(inputs.tokens, shift)
        return self._classify(tokens, mask, roll(gates, shift), gates=True)[0]

    def embedding(self, embedded: Tensor) -> AbstractContextManager[Any]:
        """Within, (B, L, E) stand at the tokens instead of their embeddings."""
        given = embedded.transpose(0, 1) if self._columns_first else embedded
        return self.get_input_embeddings().register_forward_hook(lambda m, i, output: given)

    def align(self, inputs: Inputs) -> Aligned:
        """The texts on the side that the family needs."""
        shift = self._shift(inputs.present)
        mask = roll(inputs.present, shift)
        position = self._position(mask.sum(1).clamp_min(1), mask.shape[1])
        return Aligned(roll(inputs.tokens, shift), mask, position, shift)

    def _shift(self, mask: Tensor) -> Tensor:
        """(B,) by how many columns to the left the tokens move."""
        column = torch.arange(mask.shape[1], device=mask.device)
        if self.reading == "end":
            return (column * mask).amax(1) - column[-1]
        return column.where(mask.bool(), column[-1]).amin(1)

    def _classify(
        self,
        tokens: Tensor,
        mask: Tensor,
        given: Tensor | None = None,
        gates: bool = False,
        told: Told | None = None,
        types: dict[str, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Logits (B, C) and the row by head (B, H, L) of sequences on the side that they need.

        Args:
            given: (B, L), the row to attend by in every head, or `gates` of each head's own.
            types: token_type_ids, where there are any.
        """
        lengths = mask.sum(1).clamp_min(1)
        mask = mask.to(torch.long, copy=True)
        mask[:, 0] += mask.sum(1) == 0  # an empty text is one padding token
        position = self._position(lengths, mask.shape[1])
        inputs = {"input_ids": tokens, "attention_mask": mask, **(types or {}), **self.options}
        row = None if given is None else Given(given, position, self._layers, gates)
        if told is not None and told.instead:
            row = Given(told.weights, position, 1, those=told.there)
        with self._adding(told, position):
            return self._run(inputs, position, row)

    def _adding(self, told: Told | None, position: Tensor) -> AbstractContextManager[Any]:
        """Within, what people attend to is added to what the last layer has gathered."""
        if told is None or told.instead:
            return nullcontext()
        block = last_block(self.model)
        assert block is not None
        return block.register_forward_hook(adding(told, position, self._columns_first))

    def _run(
        self, inputs: dict[str, Any], position: Tensor, row: Given | None
    ) -> tuple[Tensor, Tensor]:
        """Logits, and the last layer's row by head, where one layer may attend by a given row."""
        if self._tap is not None:
            with self._tap.giving(row) as weights, self.precision():
                logits = self.model(**inputs).logits
            return logits, pick(weights[-1], position)
        with watching(row, self.shows_first) as watch, self.precision():
            logits = self.model(**inputs).logits
        assert watch.last is not None
        if watch.first is not None:
            self._first = attention_rows(watch.first, position)
        if row is not None and row.those is None:
            return logits, row.weights[:, None]
        return logits, attention_rows(watch.last, position)

    def precision(self) -> AbstractContextManager[Any]:
        """Weights in bfloat16 with adapters in float32 compute in bfloat16, on CPUs, too."""
        mixed = self.get_input_embeddings().weight.dtype == torch.bfloat16
        return torch.autocast(self.device.type, torch.bfloat16) if mixed else nullcontext()

    def _position(self, lengths: Tensor, length: int) -> Tensor:
        """(B,) the aggregating position n."""
        if self.reading == "last":
            return lengths - 1
        return torch.full_like(lengths, 0 if self.reading == "first" else length - 1)

    @torch.no_grad()
    def _make_tap(self) -> AttentionTap | None:
        """None, and SDPA from now on, where the row from queries and keys is that of eager mode."""
        tokens, mask = probe(self.model)
        shift = self._shift(mask)
        inputs = {"input_ids": roll(tokens, shift), "attention_mask": roll(mask, shift)}
        shapes: list[torch.Size] = []
        hook = self.get_input_embeddings().register_forward_hook(
            lambda m, i, output: shapes.append(output.shape)
        )
        with hook:
            weights = self.model(**inputs, output_attentions=True).attentions[-1]
        self._columns_first = shapes[-1][:2] != tokens.shape  # XLNet embeds columns
        position = self._position(mask.sum(1), mask.shape[1])
        self.model.set_attn_implementation(IMPLEMENTATION)
        tolerance = TOLERANCE.get(self.model.dtype, 1e-4)
        with watching() as watch, suppress(ValueError):  # SDPA cannot do what the family needs
            self.model(**inputs)
            if watch.last is not None:
                self._layers, self.softcap = watch.count, watch.last.softcap
                rows = attention_rows(watch.last, position)
                if torch.allclose(rows, pick(weights, position), atol=tolerance):
                    return None
        self.softcap = None
        self.model.set_attn_implementation("eager")
        return AttentionTap(self.model, inputs, weights)


def pick(weights: Tensor, position: Tensor) -> Tensor:
    """(B, H, L) float32: of (B, H, L, L) attention weights each sequence's row at `position`."""
    return weights[torch.arange(len(position), device=position.device), :, position].float()


def roll(x: Tensor, shift: Tensor) -> Tensor:
    """(B, L, …) moved to the left by (B,) `shift` columns, what falls out coming round."""
    column = torch.arange(x.shape[1], device=x.device)
    source = (column + shift[:, None]) % x.shape[1]
    return x.gather(1, source.view(*source.shape, *[1] * (x.dim() - 2)).expand_as(x))
