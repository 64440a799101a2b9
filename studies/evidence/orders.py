"""How much a better order of deletion could change: `python -m studies.evidence.orders STUDY …`.

Reads the models of a study (`tune.compare`) and deletes tokens of at most 500 of the texts that it
was judged on in three orders: by attention; by size, |o(X) - o(X without the token)|, with o the
log-odds of the predicted class, which is about what attention that knows no class could do at best;
and signed, by the same without the bars, for which one has to know the class. Prints the area of
each under its deletion curve, divided by that of random deletion: means over seeds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from afa_ray.data.corpus import Corpus
from afa_ray.data.tokenizer import special_ids
from afa_ray.evaluation.deletion import COUNTS, DeletionCurve, right_after
from afa_ray.evaluation.prediction import classes_of, read
from afa_ray.models.target import Target
from afa_ray.models.target_judge import log_odds
from afa_ray.noise import uniform
from envs import delete_tokens, maskable_tokens
from studies.evidence.study_models import study_models

TEXTS, AT_ONCE = 500, 100
ORDERS = ("attention", "size", "signed")


def losses(logits: Callable[[Tensor], Tensor], text: Tensor, maskable: Tensor, pad: int) -> Tensor:
    """(L,) log-odds of the predicted class that a text (L,) loses with each of its tokens, 0 where
    a token is not maskable; logits: of (n, L) tokens."""
    places = maskable.nonzero()[:, 0]
    lost = torch.zeros(text.shape)
    of_whole = logits(text[None])
    predicted = of_whole.argmax(-1)
    whole = log_odds(of_whole, predicted)
    for some in places.split(AT_ONCE):
        without = torch.nn.functional.one_hot(some, len(text)).bool()
        copies = delete_tokens(text.expand(len(some), -1), without, pad)
        lost[some] = whole - log_odds(logits(copies), predicted.expand(len(some)))
    return lost


@torch.no_grad()
def predicted_and_scores(
    model: Target, tokens: Tensor, maskable: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Predicted classes (B,) of tokens (B, L), and what each of `ORDERS` goes by, (B, L) each."""
    pad = model.config.pad_token_id

    def logits(tokens: Tensor) -> Tensor:
        return model(tokens, attention_mask=tokens != pad).logits

    lost = torch.stack([losses(logits, *both, pad) for both in zip(tokens, maskable, strict=True)])
    untouched, row = read(model, tokens)
    return classes_of(untouched), row, lost.abs(), lost


def areas(model: Target, corpus: Corpus) -> list[float]:
    """The normalised area of each of `ORDERS`."""
    texts, special = corpus.test, special_ids(corpus.tokenizer)
    chosen = np.random.default_rng(0).permutation(len(texts))[:TEXTS]
    right = np.zeros((len(ORDERS) + 1, len(COUNTS)))
    for examples in np.array_split(chosen[np.argsort(texts.lengths[chosen])], 10):
        tokens = torch.from_numpy(texts.padded(examples, model.config.pad_token_id))
        labels = torch.from_numpy(texts.labels[examples])
        maskable = maskable_tokens(tokens, special)
        untouched, *scores = predicted_and_scores(model, tokens, maskable)
        chance = uniform(0, 0, torch.from_numpy(examples), 1, tokens.shape[1])[:, 0]
        right[:, 0] += (untouched == labels).sum().item()
        for i, score in enumerate((*scores, chance)):
            right[i, 1:] += right_after(model, tokens, labels, score, maskable).numpy()
    *curves, random = (right / len(chosen)).tolist()
    return [DeletionCurve(COUNTS, c, random).normalized_area for c in curves]


def rows(study: Path) -> list[str]:
    """A line of the table for each method of a study."""
    found: dict[str, list[list[float]]] = {}
    for method, model, corpus in study_models(study):
        found.setdefault(method, []).append(areas(model, corpus))
    return [
        f"| {study.name} | {method} | {' | '.join(f'{x:.3f}' for x in np.mean(values, 0))} |"
        for method, values in found.items()
    ]


if __name__ == "__main__":
    print(f"| data | method | {' | '.join(ORDERS)} |\n|---|---|---|---|---|", flush=True)
    for folder in sys.argv[1:]:
        print(*rows(Path(folder)), sep="\n", flush=True)
