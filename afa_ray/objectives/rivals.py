"""The rivals of adversarial feedback by name: supervised attention, made for a run's corpus.

What each wants of attention, and what of it is a reconstruction: docs/explanation/rivals.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from afa_ray.config import Settings, decided
from afa_ray.data.corpus import Corpus
from afa_ray.data.lexicon import DEFAULT, read_lexicon
from afa_ray.models import AnyTarget
from afa_ray.models.updating import Wrap
from afa_ray.objectives.attention_loss import LossKind
from afa_ray.objectives.entropy import (
    Entropy,
    OfEntropy,
    sharpen,
    spread,
    towards,
    towards_people,
)
from afa_ray.objectives.humal import AsTold, first_row, human, on_words
from afa_ray.objectives.interface import AttentionObjective, Weighed
from afa_ray.objectives.pssa import Pssa
from afa_ray.objectives.rival_checks import require_tellable
from afa_ray.objectives.rounds import Rounds
from afa_ray.objectives.sana import Sana
from afa_ray.objectives.supervised import Row, Supervised, last_row
from afa_ray.objectives.wanted import AtRandom, ByScore, TopWords, Wanted
from afa_ray.objectives.word_scores import (
    class_scores,
    inverse_frequency,
    lexicon_keys,
    telling_words,
)
from afa_ray.objectives.words import Words, WordTable, count_words, words_of

TELLING = 200  # words of a class


class Making(NamedTuple):
    """What objectives are made from, in worker `rank`; `add_up` and `wrap` as in
    `build_objectives`."""

    settings: Settings
    corpus: Corpus
    target: AnyTarget
    device: torch.device
    add_up: Callable[[Tensor], object]
    wrap: Wrap
    rank: int = 0
    workers: int = 1

    @property
    def options(self) -> Any:
        return self.settings.supervision

    @property
    def words(self) -> Words:
        pieces = self.settings.target.pretrained and self.corpus.train.units is not None
        return words_of(self.corpus.tokenizer, pieces)

    def table(self, keys: Tensor, values: Tensor) -> WordTable:
        """A table of words for the texts of this run."""
        size = None if self.words.pieces else len(self.corpus.tokenizer)
        return WordTable(keys, values, self.device, size)

    @property
    def rounds(self) -> Rounds:
        train = self.settings.train
        return Rounds(
            target=self.target,
            texts=self.corpus.train,
            pad_id=int(self.corpus.tokenizer.pad_token_id),
            batch_size=decided(train.batch_size),
            device=self.device,
            precision=train.precision,
            add_up=self.add_up,
            rank=self.rank,
            workers=self.workers,
        )

    def supervised(self, wanted: Wanted) -> Supervised:
        kind: LossKind = self.options.loss or "kl"
        return Supervised(wanted, kind, int(self.corpus.tokenizer.pad_token_id))


def rivals(making: Making) -> list[Weighed]:
    """The objective of `supervision.method`, with its weight; none for none."""
    options = making.options
    if options.method == "none":
        return []
    require_tellable(making.settings, making.target)
    weight = WEIGHTS.get(options.method, 1.0) if options.weight is None else options.weight
    return [Weighed(RIVALS[options.method](making), weight)]


def as_tfidf(making: Making) -> AttentionObjective:
    """ATT+AS of Liu (arXiv 2512.20661), who says of it that words which TF-IDF finds important are
    the supervision, and no more: the rest is ours."""
    counts = _counts(making)
    return _by_score(making, making.table(counts.keys, inverse_frequency(counts)))


def as_class(making: Making) -> AttentionObjective:
    """As as_tfidf, by words that are typical of the text's own class (ours)."""
    counts = _counts(making)
    return _by_score(making, making.table(counts.keys, class_scores(counts).T.contiguous()))


def as_random(making: Making) -> AttentionObjective:
    """The control: what supervision does that says nothing."""
    share, seed = making.options.share, making.settings.train.seed
    return making.supervised(AtRandom(making.words, share, seed))


def as_lexicon(making: Making) -> AttentionObjective:
    """Attention alike on all words that carry an opinion, by a list (ours)."""
    keys = _lexicon(making)
    table = making.table(keys, torch.ones(len(keys)))
    return making.supervised(ByScore(making.words, table))


def sana(making: Making) -> AttentionObjective:
    """Counterfactual supervision, see `afa_ray.objectives.sana`."""
    options, texts = making.options, making.corpus.train
    kind: LossKind = options.loss or "kl"
    seeds: Tensor | None
    match options.sana.seed:
        case "attention":
            seeds = None
        case "rationale":
            assert texts.marks is not None
            seeds = torch.from_numpy(texts.marks).float()
        case seed:
            keys = _lexicon(making) if seed == "lexicon" else _telling(making)
            seeds = torch.isin(making.words.keys_of(texts), keys).float()
    return Sana(options.sana, making.rounds, making.words, seeds, kind, options.share)


def humal_al(making: Making) -> AttentionObjective:
    """Attention like people's, see `afa_ray.objectives.humal`."""
    return _like_people(making, last_row)


def humal_an(making: Making) -> AttentionObjective:
    """People's attention added to the last layer's."""
    options = making.options.humal
    told = {"factor": options.factor, "evenly": options.evenly}
    return AsTold(making.target, making.words, instead=False, **told)


def humal_ap(making: Making) -> AttentionObjective:
    """People's attention in the first of several layers."""
    if making.options.humal.first == "replace":
        return AsTold(making.target, making.words, instead=True)
    making.target.shows_first = True
    return _like_people(making, first_row)


def entropy_spread(making: Making) -> AttentionObjective:
    """Even attention (EAR, Attanasio et al. 2022), of the row that decides."""
    return _entropy(making, spread)


def entropy_sharpen(making: Making) -> AttentionObjective:
    """Attention on few tokens."""
    return _entropy(making, sharpen)


def entropy_target(making: Making) -> AttentionObjective:
    """Attention as even as people's, or as `supervision.evenness` says."""
    evenness = making.options.evenness
    if evenness is not None:
        return _entropy(making, towards(evenness))
    return _entropy(making, towards_people(making.words), frozenset({"human"}))


def _entropy(
    making: Making, measure: OfEntropy, needs: frozenset[str] = frozenset()
) -> AttentionObjective:
    return Entropy(measure, int(making.corpus.tokenizer.pad_token_id), needs)


def pssa(making: Making) -> AttentionObjective:
    """Progressive self-supervised attention, see `afa_ray.objectives.pssa`."""
    return Pssa(making.rounds, making.words)


def _like_people(making: Making, row: Row) -> AttentionObjective:
    kind: LossKind = making.options.loss or "cosine"
    if making.options.humal.positions == "words":
        row = on_words(row, making.words)
    pad_id = int(making.corpus.tokenizer.pad_token_id)
    return Supervised(human, kind, pad_id, frozenset({"human"}), row)


def _telling(making: Making) -> Tensor:
    counts = _counts(making)
    return counts.keys[telling_words(counts, TELLING)]


def _lexicon(making: Making) -> Tensor:
    """Keys of the words that carry an opinion."""
    file = making.settings.data.lexicon_file
    lexicon = DEFAULT if file is None else read_lexicon(file)
    both = (*lexicon.positive, *lexicon.negative)
    return lexicon_keys(both, making.words, making.corpus.tokenizer)


def _counts(making: Making) -> Any:
    corpus = making.corpus
    return count_words(making.words, corpus.train, corpus.tokenizer, len(corpus.label_names))


def _by_score(making: Making, table: WordTable) -> AttentionObjective:
    scores = ByScore(making.words, table)
    options = making.options
    return making.supervised(TopWords(scores, options.share) if options.words == "top" else scores)


RIVALS: dict[str, Callable[[Making], AttentionObjective]] = {
    "as-tfidf": as_tfidf,
    "as-class": as_class,
    "as-random": as_random,
    "as-lexicon": as_lexicon,
    "sana": sana,
    "humal-al": humal_al,
    "humal-an": humal_an,
    "humal-ap": humal_ap,
    "entropy-spread": entropy_spread,
    "entropy-sharpen": entropy_sharpen,
    "entropy-target": entropy_target,
    "pssa": pssa,
}
WEIGHTS = {
    "humal-al": 2.0,
    "humal-ap": 2.0,
    "entropy-spread": 0.01,
    "entropy-sharpen": 0.01,
    "entropy-target": 0.01,
    "pssa": 0.1,
}  # of a method's loss, where it is not 1
