"""Fresh models that are held against a finished one: trained by a loss of each text.

As published: batches of 32, Adam (amsgrad), a weight decay of 1e-5 but in what scores words.
Simplified: the epoch is chosen by the loss of held-out texts throughout.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from afa_ray.data.batches import evaluation_batches, global_batches
from afa_ray.data.packed import PackedTexts
from afa_ray.evaluation.prediction import read_inputs
from afa_ray.models import AnyTarget
from afa_ray.models.interface import Inputs

BATCH = 32  # texts
DECAY = 1e-5


class Labelled(NamedTuple):
    """A batch: what models read, and its texts' classes (B,)."""

    inputs: Inputs
    labels: Tensor


Loss = Callable[[AnyTarget, Labelled], Tensor]
"""(B,) of a model on a batch, with gradient."""
RowOf = Callable[[Inputs], Tensor]
"""(B, L) attention that is given."""
Departure = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""(B,) of (B, C) probabilities, a model's own, the (B, L) row, and the model's own."""


@dataclass(frozen=True)
class Texts:
    """`train` and `held_out` texts, and the ids that are no part of any."""

    train: PackedTexts
    held_out: PackedTexts
    special_ids: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """At most `epochs`, ended after `patience` of them without a lower loss; Adam's `rate`; the
    `seed` of the order of texts."""

    epochs: int
    patience: int
    rate: float
    seed: int


def fit(model: AnyTarget, loss: Loss, texts: Texts, plan: Plan) -> int:
    """Train; the model then has the weights of the epoch with the lowest loss on held-out texts,
    and is in eval mode. Returns the number of that epoch, from 1."""
    optimizer = torch.optim.Adam(_groups(model), lr=plan.rate, amsgrad=True)
    lowest, best, chosen = math.inf, _weights(model), 0
    for epoch in range(plan.epochs):
        model.train()
        numbers = global_batches(texts.train.lengths, BATCH, plan.seed, epoch)
        for batch in batches(model, texts.train, numbers, texts.special_ids):
            optimizer.zero_grad()
            loss(model, batch).mean().backward()
            optimizer.step()
        found = held_out_loss(model, loss, texts)
        if found < lowest:
            lowest, best, chosen = found, _weights(model), epoch + 1
        elif epoch + 1 - chosen >= plan.patience:
            break
    model.load_state_dict(best)
    model.eval()
    return chosen


@torch.no_grad()
def held_out_loss(model: AnyTarget, loss: Loss, texts: Texts) -> float:
    """Mean over the held-out texts."""
    model.eval()
    numbers = evaluation_batches(texts.held_out, model.evaluation_batch)
    found = batches(model, texts.held_out, numbers, texts.special_ids)
    return float(torch.cat([loss(model, batch) for batch in found]).mean())


def batches(
    model: AnyTarget, texts: PackedTexts, numbers: list[np.ndarray], special_ids: tuple[int, ...]
) -> Iterator[Labelled]:
    """The texts of these numbers, batch by batch, on the model's device."""
    for examples in numbers:
        labels = torch.from_numpy(texts.labels[examples]).to(model.device)
        yield Labelled(read_inputs(texts, examples, model, special_ids), labels)


def classifying(row_of: RowOf | None = None) -> Loss:
    """Cross-entropy; by attention that is given, or by the model's own."""

    def loss(model: AnyTarget, batch: Labelled) -> Tensor:
        row = None if row_of is None else row_of(batch.inputs)
        logits = model.decide(model.embed(batch.inputs), batch.inputs, row).decision
        return F.cross_entropy(logits.float(), batch.labels, reduction="none")

    return loss


def departing(base: AnyTarget, departure: Departure) -> Loss:
    """How far an adversary is from the base model, which is not trained."""

    def loss(model: AnyTarget, batch: Labelled) -> Tensor:
        with torch.no_grad():
            own, own_row = decision(base, batch.inputs)
        found, row = decision(model, batch.inputs)
        return departure(found, own, row, own_row)

    return loss


def decision(model: AnyTarget, inputs: Inputs) -> tuple[Tensor, Tensor]:
    """(B, C) probabilities and the (B, L) row."""
    output = model.decide(model.embed(inputs), inputs)
    return output.decision.float().softmax(-1), output.row.float()


def _groups(model: AnyTarget) -> list[dict]:
    """Parameters with decay, and those of the scorer without."""
    parameters = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    scoring = [p for n, p in parameters if n.startswith("scorer.")]
    others = [p for n, p in parameters if not n.startswith("scorer.")]
    return [{"params": others, "weight_decay": DECAY}, {"params": scoring}]


def _weights(model: AnyTarget) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in model.state_dict().items()}
