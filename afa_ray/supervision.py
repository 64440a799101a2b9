"""Settings of supervised attention: the rivals of adversarial feedback."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

Method = Literal[
    "none",
    "as-tfidf",
    "as-class",
    "as-random",
    "as-lexicon",
    "sana",
    "das",
    "humal-al",
    "humal-an",
    "humal-ap",
    "gaze",
    "entropy-spread",
    "entropy-sharpen",
    "entropy-target",
    "pssa",
]

METHODS: tuple[str, ...] = get_args(Method)
OF_WORDS = (
    "as-tfidf",
    "as-class",
    "as-lexicon",
    "sana",
    "das",
)  # methods that know something of words
GAZE = "gaze"
OF_PEOPLE = ("humal-al", "humal-an", "humal-ap", "entropy-target")  # that read what people marked
OF_LEXICON = ("as-lexicon", "sana")  # methods that read data.lexicon_file


@dataclass(frozen=True, kw_only=True)
class SanaSettings:
    """Marks that are corrected by what the decision needs (supervision.method sana)."""

    seed: Literal["chi2", "lexicon", "rationale", "attention"] = "chi2"
    """Marks to begin with: chi2, the 200 words of each class that tell it best; lexicon, words that
    carry an opinion; rationale, what people marked; attention, what the Target looks at most."""
    gamma: float = 0.5
    """What a mark of little effect is multiplied with before the next epoch; 1 leaves it."""
    candidates: int = 3
    """Unmarked tokens of highest attention in each text that may be marked."""
    intervention: Literal["attention", "uniform", "delete"] | None = None
    """What is done to a token to see what the decision needs it for: its attention becomes 0
    (attention), or that of one among all alike (uniform), or it is deleted. By default attention
    for transformer; others can only delete, at most 4 tokens of a text."""


@dataclass(frozen=True, kw_only=True)
class DasSettings:
    """Class keywords without their biases (supervision.method das)."""

    queries: Literal["label", "shared"] | None = None
    """label: the Target reads each text once for each class, by a query of its own, and decides by
    the mean of what it finds; shared: one reading, whose attention is to be on all classes'
    keywords. By default label for transformer with up to most_labels classes, else shared."""
    most_labels: int = 8
    """Classes up to which label is allowed; each costs a reading of every text, in use, too."""
    direct_effect: bool = True
    """While training add what keywords say by themselves to the logits, so that the Target learns
    what is left to say."""
    fuse: Literal["sum", "mix"] = "sum"
    """How that is added: to the logits, or as .1 of the probabilities."""


@dataclass(frozen=True, kw_only=True)
class HumalSettings:
    """What people attend to (supervision.method humal-al, humal-an, humal-ap)."""

    positions: Literal["all", "words"] = "all"
    """Where attention is held against people's: all real tokens, of which people attend to no
    special one, or the words of the text alone."""
    factor: float = 2.0
    """humal-an: how many times what people attend to is added to what the last layer gathers."""
    evenly: bool = False
    """humal-an: divide by 1 + factor, so that training has weights that sum to 1, as tests have."""
    first: Literal["loss", "replace"] = "loss"
    """humal-ap: the first layer's attention is held against people's (loss), or theirs takes its
    place while training (replace)."""


@dataclass(frozen=True, kw_only=True)
class SupervisionSettings:
    """Attention that is told where to look, by words, causes or people, beside adversarial feedback
    or, with afa.lambda_adv 0, alone."""

    method: Method = "none"
    """Where the attention that is wanted comes from. as-tfidf: words of high TF-IDF; as-class:
    words that are typical of the text's class; as-random: words at random, the control; as-lexicon:
    words that carry an opinion; sana: marks that stand as far as the decision needs them; das:
    typical words of all classes, whatever their numbers of texts; humal-al: what people marked;
    humal-an: that, added to attention while training; humal-ap: that, in the first of several
    layers; gaze: words that people looked at long, in sentences of their own; entropy-spread,
    entropy-sharpen: even attention, or sharp; entropy-target: as even as people's; pssa: words that
    attention chose itself, where the class was right. For lack of published code all are
    reconstructions: see docs/explanation/rivals.md."""
    loss: Literal["kl", "ce", "reverse_kl", "mse", "sse", "cosine", "mass"] | None = None
    """How far attention is from what is wanted; by default kl, for humal-… cosine."""
    weight: float | None = None
    """Weight of the method's loss; by default 1, for humal-… 2, for
    gaze and pssa .1, for entropy-… .01."""
    words: Literal["top", "all"] = "top"
    """as-tfidf, as-class: attention is wanted alike on the words of the highest scores (top), or on
    all words in proportion to their scores."""
    share: float = 0.15
    """Words that top takes, and as-random, as a share of a text's tokens; one at least."""
    sana: SanaSettings = field(default_factory=SanaSettings)
    das: DasSettings = field(default_factory=DasSettings)
    evenness: float | None = None
    """entropy-target: what entropy over its maximum is to be, 0 to 1; by default that of what
    people marked."""
    humal: HumalSettings = field(default_factory=HumalSettings)
