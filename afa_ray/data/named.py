"""The public data sets by name: their labels, protocols, splits and marked words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from afa_ray.data.messages import as_one, did_you_mean, some_rows
from afa_ray.data.places import Place, find_place
from afa_ray.data.splits import stratified_split
from afa_ray.data.texts import RawCorpus, Texts
from afa_ray.errors import UserError

POLARITY = ("negative", "positive")
LABEL_NAMES: dict[str, tuple[str, ...]] = {
    "ag_news": ("World", "Sports", "Business", "Sci/Tech"),
    "imdb": POLARITY,
    "sst2": POLARITY,
    "sst2_sentences": POLARITY,
    "sms_spam": ("ham", "spam"),
    "http_params": ("norm", "anom"),
    "yelp_hat": POLARITY,
    "hatexplain": ("normal", "offensive", "hatespeech"),
    "fair_rationales": POLARITY,
}
PROTOCOLS: dict[str, tuple[str, ...]] = {"sst2": ("random", "official")}  # the first: the default

AG_NEWS_TRAIN_ROWS = 120_000  # of the official training split
SST2_TEST_SHARE = 0.1  # of the training phrases, under the protocol "random"
TEST_SHARE = 0.2  # of the sets that have no test split
YELP_ANNOTATORS = 2  # at least so many marked a word that counts as marked
YELP_READERS = 3  # the first ones, whose marks are added up


def load_named(name: str, data_dir: str | None, protocol: str | None, seed: int) -> RawCorpus:
    """The public set `name` of LABEL_NAMES.

    It is read from `<data_dir>/<name>/`, else from the folder that the environment variable
    AFA_DATA_DIR names in the same way, else from the hub. `seed` decides the sets that are split
    here: sms_spam, yelp_hat and, by its protocol "random", sst2.

    Raises UserError for a protocol that the set does not have and for data that cannot be had.
    """
    check_protocol(name, protocol)
    place = find_place(name, data_dir)
    match name:
        case "ag_news":
            return _ag_news(place)
        case "sst2":
            return _sst2(place, protocol or PROTOCOLS[name][0], seed)
        case "sst2_sentences":
            train, validation, test = (_texts(place, x) for x in ("train", "validation", "test"))
            return _corpus(place, train, test, validation=validation)
        case "sms_spam":
            return _sms_spam(place, seed)
        case "yelp_hat":
            return _yelp_hat(place, seed)
        case "hatexplain":
            return _hatexplain(place)
        case "fair_rationales":
            return _fair_rationales(place, find_place("sst2_sentences", data_dir))
        case _:
            return _corpus(place, _texts(place, "train"), _texts(place, "test"))


def check_protocol(name: str, protocol: str | None) -> None:
    """UserError unless `protocol` is None or one that the set `name` has."""
    known = PROTOCOLS.get(name, ())
    if protocol is None or protocol in known:
        return
    allowed = f"Allowed are {', '.join(known)}." if known else "It has only one: leave it out."
    raise UserError(
        f"The set {name} has no protocol {protocol!r}.{did_you_mean(protocol, known)} {allowed}"
    )


def _corpus(
    place: Place, train: Texts, test: Texts, *notes: str, validation: Texts | None = None
) -> RawCorpus:
    return RawCorpus(place.name, list(LABEL_NAMES[place.name]), train, validation, test, notes)


def _ag_news(place: Place) -> RawCorpus:
    test = _texts(place, "test")
    if place.has("train") or not place.has("train_subset"):
        return _corpus(place, _texts(place, "train"), test)
    train = _texts(place, "train_subset")
    note = f"Train is {len(train):,} of the {AG_NEWS_TRAIN_ROWS:,} official training rows."
    return _corpus(place, train, test, note)


def _sst2(place: Place, protocol: str, seed: int) -> RawCorpus:
    train = _texts(place, "train")
    if protocol == "random":
        note = "The test rows are phrases; other phrases of their sentences may stand in train."
        return _hold_out(place, train, SST2_TEST_SHARE, seed, note)
    note = "Test is the GLUE validation split, since GLUE publishes no labels for its test split."
    return _corpus(place, train, _texts(place, "validation"), note)


def _sms_spam(place: Place, seed: int) -> RawCorpus:
    messages = _texts(place, "all")
    labels: dict[str, int] = {}
    for text, label in zip(messages.texts, messages.labels.tolist(), strict=True):
        labels.setdefault(text.strip(), label)
    repeats = len(messages) - len(labels)
    note = f"{repeats:,} repeated messages were dropped; {len(labels):,} are left."
    texts = Texts(list(labels), np.array(list(labels.values())))
    return _hold_out(place, texts, TEST_SHARE, seed, note)


def _yelp_hat(place: Place, seed: int) -> RawCorpus:
    def by_annotator(maps: list[list[int]]) -> list[int]:
        return by_sum([sum(word) for word in zip(*maps, strict=False)])

    def by_sum(counts: list[int]) -> list[int]:
        return [int(count >= YELP_ANNOTATORS) for count in counts]

    def first(maps: list[list[int]]) -> list[float]:
        return [float(sum(word)) for word in zip(*maps[:YELP_READERS], strict=False)]

    texts = _marked_texts(place, "annotated", "attention", by_annotator, first)
    notes = [f"A word is marked where at least {YELP_ANNOTATORS} annotators marked it."]
    if place.has("summed_parts3_4_5"):
        more = _marked_texts(place, "summed_parts3_4_5", "attention_sum", by_sum, floats)
        texts = _joined(texts, more)
        notes.append(
            f"In {len(more):,} reviews only annotators who agreed with the label are counted."
        )
    return _hold_out(place, texts, TEST_SHARE, seed, *notes)


def _hatexplain(place: Place) -> RawCorpus:
    parts = ("train", "validation", "test")
    voted = [part for part in parts if place.has_column(part, "rationale_majority")]
    train, validation, test = (
        _marked_texts(
            place, part, "rationale_majority" if part in voted else "rationale_union", list
        )
        for part in parts
    )
    notes = [
        f"In {part} a word is marked where "
        + ("most annotators marked it." if part in voted else "any annotator marked it.")
        for part in parts
    ]
    return _corpus(place, train, test, *notes, validation=validation)


def _fair_rationales(place: Place, sentences: Place) -> RawCorpus:
    """Sentences of SST-2 that people marked as the test part; all others to learn from."""

    def by_half(maps: list[list[int]]) -> list[int]:
        return [int(2 * sum(word) >= len(word)) for word in zip(*maps, strict=False)]

    marked = _marked_texts(place, "all", "attention", by_half)
    parts = [_texts(sentences, part) for part in ("train", "validation", "test")]
    known = {letters(text) for part in parts for text in part.texts}
    judged = marked.take(np.flatnonzero([letters(text) in known for text in marked.texts]))
    train, validation = (_without(part, judged) for part in parts[:2])
    dropped = sum(map(len, parts[:2])) - len(train) - len(validation)
    notes = [
        f"Train and validation are those of sst2_sentences without {dropped:,} sentences of test.",
        "A word is marked where at least half of the annotators marked it.",
    ]
    if unknown := len(marked) - len(judged):
        notes.append(f"{unknown:,} marked sentences are not in sst2_sentences and were dropped.")
    return _corpus(place, train, judged, *notes, validation=validation)


def _without(texts: Texts, others: Texts) -> Texts:
    """The texts that are not among the others, however they are spelled."""
    known = {letters(text) for text in others.texts}
    return texts.take(np.flatnonzero([letters(text) not in known for text in texts.texts]))


def letters(text: str) -> str:
    """What two spellings of a sentence share: its letters and digits, in lower case."""
    plain = text.lower().replace("-lrb-", "").replace("-rrb-", "")
    return "".join(character for character in plain if character.isalnum())


def _hold_out(place: Place, texts: Texts, share: float, seed: int, *notes: str) -> RawCorpus:
    """The corpus with a stratified `share` of `texts` as its test split."""
    kept, held_out = stratified_split(texts.labels, share, seed, LABEL_NAMES[place.name])
    note = f"Test is {len(held_out):,} of {len(texts):,} rows, held out at random."
    return _corpus(place, texts.take(kept), texts.take(held_out), *notes, note)


def _texts(place: Place, part: str) -> Texts:
    """The texts and labels of a part."""
    columns = place.columns(part, ["text", "label"])
    return Texts(columns["text"], _checked_labels(place, part, columns))


def floats(numbers: list[int]) -> list[float]:
    return [float(x) for x in numbers]


def _marked_texts(
    place: Place,
    part: str,
    column: str,
    as_marks: Callable[[Any], list[int]],
    as_human: Callable[[Any], list[float]] | None = None,
) -> Texts:
    """A part with its words; `as_marks` makes the marks of a row from its value in `column`, and
    `as_human` how much people attend to each word."""
    columns = place.columns(part, ["text", "label", "words", column])
    marks = [as_marks(value) for value in columns[column]]
    pairs = zip(columns["words"], marks, strict=True)
    uneven = [row for row, (w, m) in enumerate(pairs, start=1) if len(w) != len(m)]
    if uneven:
        raise UserError(
            f"{place.file(part)}: {column} does not fit the words in {some_rows(uneven)}."
        )
    labels = _checked_labels(place, part, columns)
    human = None if as_human is None else [as_human(value) for value in columns[column]]
    return Texts(columns["text"], labels, columns["words"], marks, human=human)


def _whole(labels: list[Any]) -> list[Any]:
    """Labels with whole floats, as tables with gaps have them, made integers."""
    return [int(x) if isinstance(x, float) and x.is_integer() else x for x in labels]


def _joined(first: Texts, second: Texts) -> Texts:
    """The rows of two parts with marked words, one after the other."""
    assert first.words
    assert first.marks
    assert second.words
    assert second.marks
    assert first.human
    assert second.human
    return Texts(
        [*first.texts, *second.texts],
        np.concatenate([first.labels, second.labels]),
        first.words + second.words,
        first.marks + second.marks,
        human=first.human + second.human,
    )


def _checked_labels(place: Place, part: str, columns: dict[str, list[Any]]) -> np.ndarray:
    """(N,) int64; UserError unless every text is a string with words and every label has a name."""
    names, labels = LABEL_NAMES[place.name], _whole(columns["label"])
    problems = []
    wrong = [row for row, x in enumerate(labels, start=1) if x not in range(len(names))]
    if wrong:
        allowed = ", ".join(f"{number} ({name})" for number, name in enumerate(names))
        problems.append(
            f"{place.file(part)}: the label in {some_rows(wrong)} is not allowed; the first is "
            f"{labels[wrong[0] - 1]!r}. Allowed are {allowed}."
        )
    filled = (isinstance(text, str) and text.strip() for text in columns["text"])
    empty = [row for row, good in enumerate(filled, start=1) if not good]
    if empty:
        problems.append(f"{place.file(part)}: no text in {some_rows(empty)}. Remove them.")
    if problems:
        raise as_one(problems)
    return np.array(labels, dtype=np.int64)
