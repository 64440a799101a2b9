"""What counting says of words: TF-IDF, typical words of classes, words that carry an opinion."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from afa_ray.objectives.words import NO_WORD, WordCounts, Words

LEAST_TEXTS = 2  # that hold a word
MOST_SHARE = 0.5  # of texts that hold a word: more often it is one of all texts
LEAST_RATE = 1e-5  # of a class's words


def inverse_frequency(counts: WordCounts) -> Tensor:
    """(K,) idf = ln((1 + N) / (1 + n)) + 1 of words in n of N texts, as scikit-learn has it.

    0 for punctuation, for words of one text, and for words of more than half of the texts, which
    would get most of the attention by their number.
    """
    total, texts = counts.class_sizes.sum(), counts.texts.sum(0)
    idf = ((1 + total) / (1 + texts)).log() + 1
    kept = counts.readable & (texts >= LEAST_TEXTS) & (texts <= MOST_SHARE * total)
    return idf.where(kept, 0)


def class_scores(counts: WordCounts, most: int | None = None) -> Tensor:
    """(C, K) how typical words are of classes; those of a class sum to 1.

    A word's share of the class's words, times ln((1 + C) / (1 + classes with the word)) + 1. 0 for
    punctuation, for words of a share below 1e-5, and for words of more than half of a class's
    texts, mean over classes. How many texts a class has changes nothing.

    Args:
        most: words of a class that are kept, the highest; by default all.
    """
    sizes = counts.class_sizes.clamp_min(1)[:, None]
    everywhere = (counts.texts / sizes).mean(0) > MOST_SHARE
    kept = counts.readable & ~everywhere
    rate = counts.occurrences.double()
    rate = rate / rate.sum(1, keepdim=True).clamp_min(1)
    rate = rate.where(kept & (rate >= LEAST_RATE), 0)
    classes = (rate > 0).sum(0)
    scores = rate * (((1 + len(rate)) / (1 + classes)).log() + 1)
    if most is not None and most < scores.shape[1]:
        scores = _highest(scores, most)
    return (scores / scores.sum(1, keepdim=True).clamp_min(1e-30)).float()


def _highest(scores: Tensor, most: int) -> Tensor:
    """(C, K) with all but the `most` highest of each row 0."""
    order = scores.argsort(dim=1, descending=True, stable=True)[:, :most]
    return torch.zeros_like(scores).scatter(1, order, scores.gather(1, order))


def telling_words(counts: WordCounts, most: int) -> Tensor:
    """(K,) bool: of each class the `most` words with the highest chi-square between a text's being
    of the class and its holding the word, of those that it holds more often than others."""
    held, sizes = counts.texts.double(), counts.class_sizes.double()[:, None]
    total, texts = sizes.sum(), held.sum(0, keepdim=True)
    expected = sizes * texts / total
    spread = expected * (1 - texts / total) * (1 - sizes / total)
    score = (held - expected).clamp_min(0).square() / spread.clamp_min(1e-12)
    return (_highest(score * counts.readable, most) > 0).any(0)


def lexicon_keys(
    lexicon: tuple[str, ...], words: Words, tokenizer: PreTrainedTokenizerFast
) -> Tensor:
    """(n,) int64, sorted: keys of the words of a list that the tokenizer has as one word, in lower
    case or with a capital, at the start of a text or behind another word."""
    backend = tokenizer.backend_tokenizer
    forms = [form for word in lexicon for form in (word, word.capitalize())]
    rows = []
    for text in dict.fromkeys([*forms, *(f"a {form}" for form in forms)]):
        encoding = backend.encode(text, add_special_tokens=False)
        units = [0 if unit is None else unit for unit in encoding.word_ids]
        last = [token for token, unit in zip(encoding.ids, units, strict=True) if unit == units[-1]]
        if len(set(units)) == 1 + text.startswith("a ") and tokenizer.unk_token_id not in last:
            rows.append(last)
    longest = max(map(len, rows), default=1)
    pad = int(tokenizer.pad_token_id)
    tokens = torch.tensor([row + [pad] * (longest - len(row)) for row in rows] or [[pad]])
    keys = words.keys(tokens, torch.zeros_like(tokens))[:, 0].unique()
    return keys[keys != NO_WORD]
