"""The generated corpora: sizes, balance, and planted words that are marked and nothing else."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from afa_ray.data.generated import GRAMMAR_WORDS, MOCK_NAMES, generate_mock, generate_reviews
from afa_ray.data.lexicon import DEFAULT, Lexicon, read_lexicon
from afa_ray.data.texts import RawCorpus, Texts
from afa_ray.errors import UserError
from tests.conftest import plain, rows_of

POSITIVE, NEGATIVE = set(DEFAULT.positive), set(DEFAULT.negative)
FIRST_REVIEW = "the path seemed somewhat poetic while the garden seemed very impolite ."
FIRST_MARKED = ["poetic", "impolite"]


@pytest.fixture(scope="module")
def reviews() -> RawCorpus:
    return generate_reviews(0)


def splits(corpus: RawCorpus) -> list[Texts]:
    return [x for x in (corpus.train, corpus.validation, corpus.test) if x is not None]


def test_lexicon_is_two_disjoint_sets_of_single_lower_case_words():
    assert len(POSITIVE) == len(DEFAULT.positive) > 200
    assert len(NEGATIVE) == len(DEFAULT.negative) > 200
    assert not POSITIVE & NEGATIVE
    assert not (POSITIVE | NEGATIVE) & GRAMMAR_WORDS
    assert all(word.isalpha() and word.islower() for word in POSITIVE | NEGATIVE)


def test_reviews_have_the_stated_sizes_and_equal_classes(reviews):
    assert reviews.label_names == ["negative", "neutral", "positive"]
    assert [len(split) for split in splits(reviews)] == [6000, 1000, 1000]
    assert np.bincount(reviews.train.labels).tolist() == [2000] * 3
    assert sorted(np.bincount(reviews.test.labels)) == [333, 333, 334]


def test_reviews_are_short_lower_case_and_never_repeated(reviews):
    texts = [text for split in splits(reviews) for text in split.texts]
    assert len(set(texts)) == 8000
    assert all(text == text.lower() for text in texts)
    lengths = [len(text.split()) for text in texts]
    assert min(lengths) >= 8
    assert max(lengths) <= 44


def test_review_labels_follow_from_the_opinion_words(reviews):
    neutral_without = 0
    for split in splits(reviews):
        for text, label, words, _ in rows_of(split):
            assert text == " ".join(words)
            positive = sum(word in POSITIVE for word in words)
            negative = sum(word in NEGATIVE for word in words)
            if label == 1:
                assert positive == negative
                neutral_without += positive == 0
            else:
                assert (positive - negative) * (label - 1) >= 2
    assert 0.3 < neutral_without / sum((split.labels == 1).sum() for split in splits(reviews)) < 0.5


def test_review_marks_are_the_opinion_words_of_the_label(reviews):
    marked = {0: NEGATIVE, 1: POSITIVE | NEGATIVE, 2: POSITIVE}
    for split in splits(reviews):
        for _, label, words, marks in rows_of(split):
            assert marks == [int(word in marked[label]) for word in words]


def test_reviews_can_be_learnt_from_word_counts_but_not_from_one_word(reviews):
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.tree import DecisionTreeClassifier

    counts = CountVectorizer(token_pattern=r"\S+")
    train, test = counts.fit_transform(reviews.train.texts), counts.transform(reviews.test.texts)
    linear = LogisticRegression(max_iter=300).fit(train, reviews.train.labels)
    one_word = DecisionTreeClassifier(max_depth=1).fit(train, reviews.train.labels)
    assert linear.score(test, reviews.test.labels) > 0.9
    assert one_word.score(test, reviews.test.labels) < 0.5


def test_the_seed_alone_decides_the_corpus(reviews):
    again, other = generate_reviews(0), generate_reviews(1)
    assert plain(again) == plain(reviews)
    assert other.train.texts != reviews.train.texts
    assert plain(generate_mock("mock-3", 5)) == plain(generate_mock("mock-3", 5))
    assert rows_of(generate_mock("mock-3", 5).train) != rows_of(generate_mock("mock-3", 6).train)


def test_first_review_is_the_same_on_every_machine(reviews):
    assert reviews.train.texts[0] == FIRST_REVIEW
    _, label, words, marks = rows_of(reviews.train)[0]
    assert label == 1
    assert [word for word, mark in zip(words, marks, strict=True) if mark] == FIRST_MARKED


def test_reviews_plant_the_words_of_a_given_lexicon_that_the_grammar_does_not_use():
    corpus = generate_reviews(0, Lexicon(positive=("aa", "room"), negative=("zz", "was")))
    planted = Counter(
        word
        for _, _, words, marks in rows_of(corpus.train)
        for word, mark in zip(words, marks, strict=True)
        if mark
    )
    assert set(planted) == {"aa", "zz"}


def test_a_lexicon_of_grammar_words_only_is_refused():
    with pytest.raises(UserError, match=r"1 positive and 0 negative"):
        generate_reviews(0, Lexicon(positive=("aa",), negative=("was",)))


def test_mock_names():
    assert len(MOCK_NAMES) == 14
    assert {"mock-1", "mock-2", "mock-5", "mock-10", "mock-1q", "mock-4q"} <= set(MOCK_NAMES)


@pytest.mark.parametrize("name", ["mock-1", "mock-10", "mock-1q", "mock-3q", "mock-4q"])
def test_mock_sets_plant_exactly_the_stated_words(name):
    corpus = generate_mock(name, 0)
    assert corpus.validation is None
    assert np.bincount(corpus.train.labels).tolist() == [4000, 4000]
    assert np.bincount(corpus.test.labels).tolist() == [500, 500]
    amount = name.removeprefix("mock-")
    for split in (corpus.train, corpus.test):
        for text, label, words, marks in rows_of(split):
            assert text == " ".join(words)
            assert marks == [int(word != "something") for word in words]
            side = POSITIVE if label else NEGATIVE
            assert all(word in side for word in words if word != "something")
            if amount.endswith("q"):
                assert abs(sum(marks) - len(words) * int(amount[0]) / 4) <= 0.5
            else:
                assert sum(marks) == int(amount)


def test_mock_lengths_and_places_are_spread_evenly():
    corpus = generate_mock("mock-1", 0)
    assert corpus.train.words is not None
    assert corpus.train.marks is not None
    lengths = Counter(len(words) for words in corpus.train.words)
    assert set(lengths) == set(range(50, 101))
    assert max(lengths.values()) < 1.5 * 8000 / 51
    places = [marks.index(1) / (len(marks) - 1) for marks in corpus.train.marks]
    assert abs(sum(places) / len(places) - 0.5) < 0.02
    assert len({word for words in corpus.train.words for word in words}) > 400


def test_an_unknown_mock_set_is_refused_with_a_hint():
    with pytest.raises(UserError, match=r"'mock-11'.*Did you mean 'mock-1.*Allowed are mock-1,"):
        generate_mock("mock-11", 0)


def test_a_lexicon_file_is_read_and_words_on_both_sides_dropped(tmp_path):
    path = tmp_path / "words.csv"
    path.write_text("text,label\nGood,1\nbad,0\nenvious,1\nenvious,0\ngood,1\nnull,0\n")
    assert read_lexicon(path) == Lexicon(positive=("good",), negative=("bad", "null"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("word,label\ngood,1\n", "no column 'text'.*'word', 'label'"),
        ("text,label\ngood,1\nfine,1\n", "2 positive and 0 negative"),
        ("text,label\ngood,pos\nbad,0\n", "neither 0.*row 1; the first is 'pos'"),
        ("text,label\ngood,1\nso so,0\n", "not a single word in row 2; the first is 'so so'"),
    ],
)
def test_a_bad_lexicon_file_is_refused(tmp_path, content, message):
    path = tmp_path / "words.csv"
    path.write_text(content)
    with pytest.raises(UserError, match=message):
        read_lexicon(path)


def test_a_missing_lexicon_file_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"There is no file .*words.csv"):
        read_lexicon(tmp_path / "words.csv")
