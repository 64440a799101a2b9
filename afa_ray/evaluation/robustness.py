"""Accuracy on texts that were damaged: words deleted at random, and words mistyped."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from afa_ray.data.packed import PackedTexts
from afa_ray.data.tokenizer import special_ids
from afa_ray.evaluation.prediction import batches_on_device, classify, queries_of
from afa_ray.models import AnyTarget
from afa_ray.noise import uniform
from afa_ray.progress import Advance, ignored
from envs import delete_tokens, maskable_tokens

SHARE = 0.1  # of the words of a text, each by itself
SHORTEST = 4  # letters of a word that can be mistyped: its first and last one stay


def robustness(
    target: AnyTarget,
    texts: PackedTexts,
    tokenizer: PreTrainedTokenizerFast,
    seed: int,
    advance: Advance = ignored,
) -> dict[str, float | None]:
    """Accuracy with a tenth of the words deleted (`random_deletion`), or mistyped (`typos`).

    A mistyped word has two neighbouring letters swapped; most are unknown words then. `typos` is
    None for tokenizers of word pieces, which would cut a mistyped word into others.
    """
    special, pad = special_ids(tokenizer), target.config.pad_token_id

    def deleted(tokens: Tensor, chosen: Tensor) -> Tensor:
        return delete_tokens(tokens, chosen & maskable_tokens(tokens, special), pad)

    found: dict[str, float | None] = {
        "random_deletion": _accuracy(target, texts, seed, deleted, advance),
        "typos": None,
    }
    if type(tokenizer.backend_tokenizer.model).__name__ == "WordLevel":
        typos = torch.from_numpy(typo_ids(tokenizer, seed)).to(target.device)

        def mistyped(tokens: Tensor, chosen: Tensor) -> Tensor:
            return torch.where(chosen, typos[tokens], tokens)

        found["typos"] = _accuracy(target, texts, seed, mistyped, advance)
    return found


def typo_ids(tokenizer: PreTrainedTokenizerFast, seed: int) -> np.ndarray:
    """(V,) int64: the id that each word has with two neighbouring inner letters swapped."""
    random = np.random.default_rng(seed)
    words = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    special = set(tokenizer.all_special_tokens)
    mistyped = [word if word in special else _swap(word, random) for word in words]
    return np.array(tokenizer.convert_tokens_to_ids(mistyped), np.int64)


def _swap(word: str, random: np.random.Generator) -> str:
    if len(word) < SHORTEST:
        return word
    at = int(random.integers(1, len(word) - 2))
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _accuracy(
    target: AnyTarget,
    texts: PackedTexts,
    seed: int,
    damage: Callable[[Tensor, Tensor], Tensor],
    advance: Advance,
) -> float:
    """Accuracy after `damage` of (n, L) tokens at the (n, L) chosen places."""
    right = torch.zeros((), dtype=torch.int64, device=target.device)
    for examples, tokens in batches_on_device(texts, target, advance=advance):
        numbers, labels = (
            torch.from_numpy(x).to(target.device) for x in (examples, texts.labels[examples])
        )
        chosen = uniform(seed, 0, numbers, 1, tokens.shape[1])[:, 0] < SHARE
        query = queries_of(texts, examples, target)
        right += (classify(target, damage(tokens, chosen), query) == labels).sum()
    return right.item() / len(texts)
