"""Two families of generated corpora whose label-carrying words are known because we planted them.

`reviews` is a small grammar of review clauses: some carry one opinion word, the others none.
`mock-...` are the synthetic sets of AtteFa: a few opinion words in a row of "something".

Both are functions of the seed and the lexicon alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TypeVar

import numpy as np

from afa_ray.data.lexicon import DEFAULT, Lexicon
from afa_ray.data.messages import did_you_mean
from afa_ray.data.texts import RawCorpus, Texts
from afa_ray.errors import UserError

Option = TypeVar("Option")

MOCK_NAMES: tuple[str, ...] = (
    *(f"mock-{count}" for count in range(1, 11)),
    *(f"mock-{quarters}q" for quarters in range(1, 5)),
)

REVIEW_SIZES = (6_000, 1_000, 1_000)  # train, validation, test
REVIEW_LABELS = ("negative", "neutral", "positive")
MOCK_SIZES = (8_000, 1_000)  # train, test
MOCK_LENGTHS = (50, 100)  # shortest and longest, in words
MOCK_FILLER = "something"

# How many positive and negative opinion words a review of each label holds; one pair is drawn.
OPINIONS: dict[str, tuple[tuple[int, int], ...]] = {
    "negative": ((0, 2), (0, 3), (1, 3), (1, 4)),
    "neutral": ((0, 0), (0, 0), (1, 1), (1, 1), (2, 2)),
    "positive": ((2, 0), (3, 0), (3, 1), (4, 1)),
}
CLAUSES = (2, 5)  # fewest and most in a review

# Each kind of place or thing: the nouns that opinions are about, and clauses without an opinion.
TOPICS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "soup steak waiter menu dessert table kitchen chef coffee pasta salad wine",
        (
            "we came on a tuesday evening",
            "four of us shared two starters",
            "i ordered the fish with rice",
            "they open at noon on sundays",
            "the place is next to the station",
            "we paid by card at the counter",
        ),
    ),
    (
        "room bed lobby bathroom pool breakfast balcony receptionist elevator hallway",
        (
            "we stayed for three nights in may",
            "our window faced the main street",
            "i booked it through their website",
            "the hotel has six floors",
            "we checked in at four",
            "there is a bus stop outside",
        ),
    ),
    (
        "plot cast director script soundtrack ending hero villain scene dialogue camera",
        (
            "i saw it at the late show",
            "it runs for two hours",
            "the story takes place in norway",
            "my sister bought the tickets",
            "it is based on a book",
            "we sat in the third row",
        ),
    ),
    (
        "battery screen keyboard speaker charger case button software microphone strap",
        (
            "i bought it in march",
            "the box holds a long cable",
            "it comes in black and white",
            "i use it at my desk",
            "the parcel arrived on a friday",
            "it weighs about two pounds",
        ),
    ),
    (
        "guide museum garden tour boat gallery exhibit shop driver path",
        (
            "we went there with our cousins",
            "the group had nine people",
            "it starts behind the town hall",
            "we took the morning train",
            "the visit lasts one hour",
            "they sell maps at the entrance",
        ),
    ),
)
OPINION_CLAUSES = (
    "the {noun} was {opinion}",
    "the {noun} was {adverb} {opinion}",
    "we found the {noun} {opinion}",
    "i thought the {noun} was {opinion}",
    "my friend called the {noun} {adverb} {opinion}",
    "the {noun} seemed {adverb} {opinion}",
    "i remember the {opinion} {noun}",
    "they had one {adverb} {opinion} {noun}",
)
ADVERBS = ("quite", "rather", "very", "really", "fairly", "somewhat")
JOINTS = (",", ".", "and", ", and", "while", ". also")

GRAMMAR_WORDS: frozenset[str] = frozenset(
    word
    for phrase in chain(
        OPINION_CLAUSES, ADVERBS, JOINTS, *((nouns, *facts) for nouns, facts in TOPICS)
    )
    for word in phrase.split()
)


def generate_reviews(seed: int, lexicon: Lexicon = DEFAULT) -> RawCorpus:
    """6,000 / 1,000 / 1,000 reviews, labelled negative, neutral, positive in equal parts.

    A review is 2 to 5 clauses about one topic, 8 to 44 words with punctuation. Negative and
    positive ones hold at least two more opinion words of their own side than of the other; neutral
    ones as many of each, or none. The marks are 1 on the opinion words of the label's own side, in
    neutral reviews on all of them. No text occurs twice. Lexicon words that the grammar itself uses
    are left out.

    Raises UserError when that leaves a side of the lexicon empty.
    """
    rng = np.random.default_rng(seed)
    lexicon = _without(lexicon, GRAMMAR_WORDS)
    seen: set[str] = set()
    train, validation, test = (_reviews(rng, lexicon, size, seen) for size in REVIEW_SIZES)
    return RawCorpus("reviews", list(REVIEW_LABELS), train, validation, test)


def generate_mock(name: str, seed: int, lexicon: Lexicon = DEFAULT) -> RawCorpus:
    """AtteFa's synthetic set `name` of MOCK_NAMES: 8,000 / 1,000 texts, half of them positive.

    A text is 50 to 100 words, each length as likely. In `mock-n` exactly n of them, in `mock-nq`
    n quarters of them (rounded), are opinion words of the label's side at random places, and
    marked; every other word is "something". There is no validation split.

    Raises UserError for an unknown name, or a lexicon whose side has no word but "something".
    """
    if name not in MOCK_NAMES:
        raise UserError(
            f"There is no generated set {name!r}.{did_you_mean(name, MOCK_NAMES)} "
            f"Allowed are {', '.join(MOCK_NAMES)}."
        )
    rng = np.random.default_rng(seed)
    lexicon = _without(lexicon, frozenset({MOCK_FILLER}))
    train, test = (_mock_texts(rng, name, lexicon, size) for size in MOCK_SIZES)
    return RawCorpus(name, ["negative", "positive"], train, None, test)


def _without(lexicon: Lexicon, taken: frozenset[str]) -> Lexicon:
    """The lexicon less the words in `taken`."""
    positive = tuple(word for word in lexicon.positive if word not in taken)
    negative = tuple(word for word in lexicon.negative if word not in taken)
    if not positive or not negative:
        raise UserError(
            f"The lexicon leaves {len(positive)} positive and {len(negative)} negative words that "
            "the generator does not use as filler. Each side needs at least one."
        )
    return Lexicon(positive=positive, negative=negative)


def _pick(rng: np.random.Generator, options: Sequence[Option]) -> Option:
    return options[int(rng.integers(len(options)))]


def _balanced_labels(rng: np.random.Generator, size: int, classes: int) -> list[int]:
    """`size` labels in random order, equal in number to within one."""
    return rng.permutation(np.arange(size) % classes).tolist()


def _texts(labels: list[int], drawn: list[tuple[list[str], list[int]]]) -> Texts:
    words = [row_words for row_words, _ in drawn]
    marks = [row_marks for _, row_marks in drawn]
    return Texts([" ".join(row) for row in words], np.array(labels), words, marks)


def _reviews(rng: np.random.Generator, lexicon: Lexicon, size: int, seen: set[str]) -> Texts:
    """`size` reviews whose texts are not in `seen`, and are added to it."""
    labels = _balanced_labels(rng, size, len(REVIEW_LABELS))
    drawn = []
    for label in labels:
        while True:
            words, marks = _review(rng, lexicon, REVIEW_LABELS[label])
            text = " ".join(words)
            if text not in seen:
                break
        seen.add(text)
        drawn.append((words, marks))
    return _texts(labels, drawn)


def _review(rng: np.random.Generator, lexicon: Lexicon, label: str) -> tuple[list[str], list[int]]:
    """The words of one review and their marks."""
    positive, negative = _pick(rng, OPINIONS[label])
    clauses = int(rng.integers(max(CLAUSES[0], positive + negative), CLAUSES[1] + 1))
    sides = ["positive"] * positive + ["negative"] * negative
    sides += [""] * (clauses - len(sides))
    nouns, facts = _pick(rng, TOPICS)
    unused_facts = rng.permutation(np.array(facts)).tolist()

    words: list[str] = []
    marks: list[int] = []
    for side in rng.permutation(np.array(sides)).tolist():
        if words:
            _extend(words, marks, _pick(rng, JOINTS).split())
        if not side:
            _extend(words, marks, unused_facts.pop().split())
            continue
        opinion = _pick(rng, getattr(lexicon, side))
        clause = _opinion_clause(rng, _pick(rng, nouns.split()), opinion)
        marked = label in (side, "neutral")
        _extend(words, marks, clause, opinion if marked else None)
    _extend(words, marks, ["."])
    return words, marks


def _opinion_clause(rng: np.random.Generator, noun: str, opinion: str) -> list[str]:
    template = _pick(rng, OPINION_CLAUSES)
    return template.format(noun=noun, opinion=opinion, adverb=_pick(rng, ADVERBS)).split()


def _extend(words: list[str], marks: list[int], more: list[str], marked: str | None = None) -> None:
    """Append `more` to `words`, and to `marks` a 1 for the word `marked`, else a 0."""
    words += more
    marks += [int(word == marked) for word in more]


def _mock_texts(rng: np.random.Generator, name: str, lexicon: Lexicon, size: int) -> Texts:
    labels = _balanced_labels(rng, size, 2)
    shortest, longest = MOCK_LENGTHS
    drawn = []
    for label in labels:
        length = int(rng.integers(shortest, longest + 1))
        side = lexicon.positive if label else lexicon.negative
        words, marks = [MOCK_FILLER] * length, [0] * length
        for place in rng.choice(length, size=_informative(name, length), replace=False):
            words[place], marks[place] = _pick(rng, side), 1
        drawn.append((words, marks))
    return _texts(labels, drawn)


def _informative(name: str, length: int) -> int:
    """How many opinion words a text of `length` words holds in the set `name`."""
    amount = name.removeprefix("mock-")
    return round(int(amount[:-1]) * length / 4) if amount.endswith("q") else int(amount)
