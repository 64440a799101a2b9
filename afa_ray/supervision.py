"""Settings of supervised attention: the rivals of adversarial feedback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Method = Literal[
    "none",
    "as-tfidf",
    "as-class",
    "as-random",
    "as-lexicon",
]

METHODS: tuple[str, ...] = get_args(Method)
OF_WORDS = ("as-tfidf", "as-class", "as-lexicon")  # methods that know something of words
OF_LEXICON = ("as-lexicon",)  # methods that read data.lexicon_file


@dataclass(frozen=True, kw_only=True)
class SupervisionSettings:
    """Attention that is told where to look, by words, causes or people, beside adversarial feedback
    or, with afa.lambda_adv 0, alone."""

    method: Method = "none"
    """Where the attention that is wanted comes from. as-tfidf: words of high TF-IDF; as-class:
    words that are typical of the text's class; as-random: words at random, the control;
    as-lexicon: words that carry an opinion. For lack of published code all are reconstructions:
    see docs/explanation/rivals.md."""
    loss: Literal["kl", "ce", "reverse_kl", "mse", "sse", "cosine", "mass"] | None = None
    """How far attention is from what is wanted; by default kl."""
    weight: float | None = None
    """Weight of the method's loss; by default 1."""
    words: Literal["top", "all"] = "top"
    """as-tfidf, as-class: attention is wanted alike on the words of the highest scores (top), or on
    all words in proportion to their scores."""
    share: float = 0.15
    """Words that top takes, and as-random, as a share of a text's tokens; one at least."""
