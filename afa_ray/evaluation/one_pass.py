"""One pass over a corpus for everything that holds token scores against a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from afa_ray.data.packed import PackedTexts
from afa_ray.evaluation.prediction import batches_on_device, classes_of, queries_of, read
from afa_ray.explainers import Explainer
from afa_ray.models import AnyTarget
from afa_ray.models.interface import Inputs
from afa_ray.noise import uniform
from afa_ray.progress import Advance, ignored
from envs import maskable_tokens


class Scored(NamedTuple):
    """A batch of n texts that a model has read, and its tokens' scores.

    Attributes:
        tokens: (n, L) ids; labels: (n,); maskable: (n, L) bool, all but special tokens and padding.
        probabilities: (n, C); predicted: (n,) the classes, -1 where logits are not finite.
        scores: (n, L), of the explainer; chance: (n, L), uniform random ones to compare with.
        marked: (n, L) bool, tokens of marked words; None where the corpus marks none.
        query: (n, Q), what each text is read for; None where there is nothing.
    """

    tokens: Tensor
    labels: Tensor
    maskable: Tensor
    probabilities: Tensor
    predicted: Tensor
    scores: Tensor
    chance: Tensor
    marked: Tensor | None
    query: Tensor | None = None


class Measure(NamedTuple):
    """A figure of a model's scores: what adds up over texts, and what is made of it in the end.

    Attributes:
        shape: of the sums; sums: (model, batch) -> tensor of float64.
        conclude: (sums over all texts, number of texts) -> the figure.
    """

    shape: tuple[int, ...]
    sums: Callable[[AnyTarget, Scored], Tensor]
    conclude: Callable[[Tensor, int], Any]


def figures(
    target: AnyTarget,
    texts: PackedTexts,
    special_ids: tuple[int, ...],
    seed: int,
    measures: Mapping[str, Measure],
    *,
    explainer: Explainer | None = None,
    rank: int = 0,
    workers: int = 1,
    add_up: Callable[[Tensor], object] = lambda tensor: tensor,
    advance: Advance = ignored,
) -> dict[str, Any]:
    """Each measure's figure of the model with the explainer's scores.

    Args:
        special_ids: ids that are no part of a text; seed: of the random scores.
        explainer: of the class that is predicted; by default the attention row, which comes with
            the prediction.
        rank, workers, add_up: with several workers each has its share of the texts, and `add_up`
            sums a tensor over them in place.
    """
    sums = {
        name: torch.zeros(each.shape, dtype=torch.float64, device=target.device)
        for name, each in measures.items()
    }
    for examples, tokens in batches_on_device(texts, target, rank, workers, advance):
        batch = scored(target, texts, examples, tokens, special_ids, seed, explainer)
        for name, each in measures.items():
            sums[name] += each.sums(target, batch)
    for total in sums.values():
        add_up(total)
    return {name: each.conclude(sums[name], len(texts)) for name, each in measures.items()}


def figure(
    target: AnyTarget,
    texts: PackedTexts,
    special_ids: tuple[int, ...],
    seed: int,
    measure: Measure,
    **options: Any,
) -> Any:
    """One measure's figure; see `figures`."""
    return figures(target, texts, special_ids, seed, {"": measure}, **options)[""]


def scored(
    target: AnyTarget,
    texts: PackedTexts,
    examples: np.ndarray,
    tokens: Tensor,
    special_ids: tuple[int, ...],
    seed: int,
    explainer: Explainer | None,
) -> Scored:
    """The texts of these numbers, read; see `figures`."""

    def send(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(target.device)

    query = queries_of(texts, examples, target)
    logits, scores = read(target, tokens, query)
    predicted = classes_of(logits)
    maskable = maskable_tokens(tokens, special_ids)
    if explainer is not None:
        present = tokens != target.config.pad_token_id
        inputs = Inputs(tokens, present, query, present & ~maskable)
        scores = explainer(target, inputs, predicted.clamp_min(0))
    return Scored(
        tokens=tokens,
        labels=send(texts.labels[examples]),
        maskable=maskable,
        probabilities=logits.float().softmax(-1),
        predicted=predicted,
        scores=scores,
        chance=uniform(seed, 0, send(examples), 1, tokens.shape[1])[:, 0],
        marked=None if texts.marks is None else send(texts.padded_marks(examples)).bool(),
        query=query,
    )
