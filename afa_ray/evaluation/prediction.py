"""Run a Target over a packed split."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from afa_ray.data.batches import evaluation_batches
from afa_ray.data.packed import PackedTexts
from afa_ray.models import AnyTarget
from afa_ray.models.interface import Inputs, reading_for
from afa_ray.progress import Advance, ignored
from envs import maskable_tokens


def batches_on_device(
    texts: PackedTexts,
    target: AnyTarget,
    rank: int = 0,
    workers: int = 1,
    advance: Advance = ignored,
) -> Iterator[tuple[np.ndarray, Tensor]]:
    """(example numbers (n,), tokens (n, L)) of this worker's share, on the Target's device.

    `advance` is told how many texts a batch had when the next one is asked for.
    """
    for examples in evaluation_batches(texts, target.evaluation_batch)[rank::workers]:
        tokens = texts.padded(examples, target.config.pad_token_id)
        yield examples, torch.from_numpy(tokens).to(target.device)
        advance(len(examples))


def read_inputs(
    texts: PackedTexts, examples: np.ndarray, target: AnyTarget, special_ids: tuple[int, ...]
) -> Inputs:
    """The texts of these numbers as a Target reads them, on its device, with what is special."""
    pad_id = target.config.pad_token_id
    tokens = torch.from_numpy(texts.padded(examples, pad_id)).to(target.device)
    query, present = queries_of(texts, examples, target), tokens != pad_id
    return Inputs(tokens, present, query, present & ~maskable_tokens(tokens, special_ids))


def queries_of(texts: PackedTexts, examples: np.ndarray, target: AnyTarget) -> Tensor | None:
    """(n, Q) what the texts are read for, on the Target's device; None where there is nothing."""
    found = texts.padded_queries(examples, target.config.pad_token_id)
    return None if found is None else torch.from_numpy(found).to(target.device)


def read(target: AnyTarget, tokens: Tensor, query: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Logits (n, C) and attention rows (n, L) in eval mode, without gradient.

    Padding that all texts end with is not read.
    """
    target.eval()
    present = tokens != target.config.pad_token_id
    length = max(1, int(present.sum(-1).max()))
    with torch.no_grad():
        output = target(
            tokens[:, :length], attention_mask=present[:, :length], **reading_for(query)
        )
    return output.logits, F.pad(output.attention_row, (0, tokens.shape[1] - length))


def classes_of(logits: Tensor) -> Tensor:
    """(n,) predicted classes of (n, C) logits, -1 where these are not finite."""
    return logits.argmax(-1).where(logits.isfinite().all(-1), -1)


def classify(target: AnyTarget, tokens: Tensor, query: Tensor | None = None) -> Tensor:
    """(n,) predicted classes."""
    return classes_of(read(target, tokens, query)[0])


def predict(
    target: AnyTarget,
    texts: PackedTexts,
    rank: int = 0,
    workers: int = 1,
    advance: Advance = ignored,
) -> Tensor:
    """(N,) int64 predicted classes, on the Target's device; 0 at other workers' shares, -1 where
    the logits are not finite."""
    predictions = torch.zeros(len(texts), dtype=torch.int64, device=target.device)
    for examples, tokens in batches_on_device(texts, target, rank, workers, advance):
        predictions[torch.from_numpy(examples).to(target.device)] = classify(
            target, tokens, queries_of(texts, examples, target)
        )
    return predictions
