"""The rivals of adversarial feedback by name: supervised attention, made for a run's corpus.

What each wants of attention, and what of it is a reconstruction: docs/explanation/rivals.md.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from afa_ray.config import decided
from afa_ray.data.lexicon import DEFAULT
from afa_ray.data.named import POLARITY
from afa_ray.objectives.attention_loss import LossKind
from afa_ray.objectives.das import ClassKeywords, DirectEffect, WordBranch
from afa_ray.objectives.entropy import (
    Entropy,
    OfEntropy,
    sharpen,
    spread,
    towards,
    towards_people,
)
from afa_ray.objectives.gaze import Gaze
from afa_ray.objectives.humal import AsTold, first_row, human, on_words
from afa_ray.objectives.interface import Weighed
from afa_ray.objectives.making import Making
from afa_ray.objectives.pssa import Pssa
from afa_ray.objectives.rival_checks import require_supervisable, require_tellable
from afa_ray.objectives.sana import Sana
from afa_ray.objectives.supervised import Row, Supervised, last_row
from afa_ray.objectives.wanted import AtRandom, ByScore, TopWords
from afa_ray.objectives.word_scores import (
    class_scores,
    inverse_frequency,
    lexicon_keys,
    telling_words,
)
from afa_ray.objectives.words import WordTable

TELLING = 200  # words of a class that mark texts (sana)
KEYWORDS = 500  # words of a class (das)


def rivals(making: Making) -> list[Weighed]:
    """The objective of `supervision.method`, with its weight; none for none."""
    options = making.options
    if options.method == "none":
        return []
    require_supervisable(making.settings, making.corpus)
    require_tellable(making.settings, making.target)
    return RIVALS[options.method](making)


def as_tfidf(making: Making) -> list[Weighed]:
    """ATT+AS of Liu (arXiv 2512.20661), who says of it that words which TF-IDF finds important are
    the supervision, and no more: the rest is ours."""
    counts = making.counts
    return _by_score(making, making.table(counts.keys, inverse_frequency(counts)))


def as_class(making: Making) -> list[Weighed]:
    """As as_tfidf, by words that are typical of the text's own class (ours)."""
    counts = making.counts
    return _by_score(making, making.table(counts.keys, class_scores(counts).T.contiguous()))


def as_random(making: Making) -> list[Weighed]:
    """The control: what supervision does that says nothing."""
    share, seed = making.options.share, making.settings.train.seed
    return making.supervised(AtRandom(making.words, share, seed))


def as_lexicon(making: Making) -> list[Weighed]:
    """Attention alike on all words that carry an opinion, by a list (ours)."""
    keys = _lexicon(making)
    table = making.table(keys, torch.ones(len(keys)))
    return making.supervised(ByScore(making.words, table))


def sana(making: Making) -> list[Weighed]:
    """Counterfactual supervision, see `afa_ray.objectives.sana`."""
    options, texts = making.options, making.corpus.train
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
    rounds, words = making.rounds, making.words
    return making.weighed(Sana(options.sana, rounds, words, seeds, making.kind, options.share))


def das(making: Making) -> list[Weighed]:
    """Class keywords without the biases of their classes, see `afa_ray.objectives.das`."""
    options, counts, words = making.options.das, making.counts, making.words
    scores = class_scores(counts, KEYWORDS)
    table = making.table(counts.keys, scores.T.contiguous())
    keywords = ClassKeywords(ByScore(words, table), making.kind, making.pad_id)
    if not options.direct_effect:
        return making.weighed(keywords)
    kept = (scores > 0).any(0)
    numbers = making.table(counts.keys, (kept.cumsum(0) * kept).float())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(making.settings.train.seed)
        branch = WordBranch(int(kept.sum()), len(scores)).to(making.device)
    rate = decided(making.settings.train.target_lr)
    effect = DirectEffect(ByScore(words, numbers), branch, options.fuse, rate, making.wrap)
    return [*making.weighed(keywords), Weighed(effect, 1.0)]


def humal_al(making: Making) -> list[Weighed]:
    """Attention like people's, see `afa_ray.objectives.humal`."""
    return _like_people(making, last_row)


def humal_an(making: Making) -> list[Weighed]:
    """People's attention added to the last layer's."""
    options = making.options.humal
    told = AsTold(
        making.target, making.words, instead=False, factor=options.factor, evenly=options.evenly
    )
    return making.weighed(told)


def humal_ap(making: Making) -> list[Weighed]:
    """People's attention in the first of several layers."""
    if making.options.humal.first == "replace":
        return making.weighed(AsTold(making.target, making.words, instead=True))
    making.target.shows_first = True
    return _like_people(making, first_row)


def gaze(making: Making) -> list[Weighed]:
    """Attention like the time that people looked at words, see `afa_ray.objectives.gaze`."""
    corpus, train = making.corpus, making.settings.train
    assert corpus.gaze is not None
    objective = Gaze(
        making.target,
        corpus.gaze,
        making.words,
        making.pad_id,
        classes=len(POLARITY) if tuple(corpus.label_names) == POLARITY else 0,
        kind=making.kind,
        weight=making.weight,
        seed=train.seed,
        precision=train.precision,
    )
    return [Weighed(objective, 1.0)]


def entropy_spread(making: Making) -> list[Weighed]:
    """Even attention (EAR, Attanasio et al. 2022), of the row that decides."""
    return _entropy(making, spread)


def entropy_sharpen(making: Making) -> list[Weighed]:
    """Attention on few tokens."""
    return _entropy(making, sharpen)


def entropy_target(making: Making) -> list[Weighed]:
    """Attention as even as people's, or as `supervision.evenness` says."""
    evenness = making.options.evenness
    if evenness is not None:
        return _entropy(making, towards(evenness))
    return _entropy(making, towards_people(making.words), frozenset({"human"}))


def _entropy(
    making: Making, measure: OfEntropy, needs: frozenset[str] = frozenset()
) -> list[Weighed]:
    return making.weighed(Entropy(measure, making.pad_id, needs))


def pssa(making: Making) -> list[Weighed]:
    """Progressive self-supervised attention, see `afa_ray.objectives.pssa`."""
    return making.weighed(Pssa(making.rounds, making.words))


def _like_people(making: Making, row: Row) -> list[Weighed]:
    kind: LossKind = making.options.loss or "cosine"
    if making.options.humal.positions == "words":
        row = on_words(row, making.words)
    return making.weighed(Supervised(human, kind, making.pad_id, frozenset({"human"}), row))


def _telling(making: Making) -> Tensor:
    counts = making.counts
    return counts.keys[telling_words(counts, TELLING)]


def _lexicon(making: Making) -> Tensor:
    """Keys of the words that carry an opinion."""
    lexicon = making.corpus.lexicon or DEFAULT
    both = (*lexicon.positive, *lexicon.negative)
    return lexicon_keys(both, making.words, making.corpus.tokenizer)


def _by_score(making: Making, table: WordTable) -> list[Weighed]:
    scores = ByScore(making.words, table)
    options = making.options
    return making.supervised(TopWords(scores, options.share) if options.words == "top" else scores)


RIVALS: dict[str, Callable[[Making], list[Weighed]]] = {
    "as-tfidf": as_tfidf,
    "as-class": as_class,
    "as-random": as_random,
    "as-lexicon": as_lexicon,
    "sana": sana,
    "das": das,
    "humal-al": humal_al,
    "humal-an": humal_an,
    "humal-ap": humal_ap,
    "gaze": gaze,
    "entropy-spread": entropy_spread,
    "entropy-sharpen": entropy_sharpen,
    "entropy-target": entropy_target,
    "pssa": pssa,
}
