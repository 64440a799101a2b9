"""A bag of words beside every model, and what a run must not pass over in silence."""

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from afa_ray import train as train_module
from afa_ray.config import Settings
from afa_ray.data.corpus import Corpus, prepare_corpus
from afa_ray.data.packed import PackedTexts
from afa_ray.data.sample import sample
from afa_ray.data.splits import stratified_split
from afa_ray.dotted import override
from afa_ray.evaluation import baseline as baseline_module
from afa_ray.evaluation.baseline import Baseline, bag_of_words
from afa_ray.evaluation.doubts import doubts, standard_error
from afa_ray.evaluation.evenness import EVENNESS, normalized_entropy
from afa_ray.evaluation.one_pass import figure
from tests.conftest import TINY, raw_corpus
from tests.unit.test_evaluation import SPECIAL, KeyTarget, texts


def packed(rows: list[list[int]], labels: list[int], marks: bool = False) -> PackedTexts:
    tokens = np.array([token for row in rows for token in row], np.int32)
    offsets = np.cumsum([0, *map(len, rows)])
    marked = (tokens % 2).astype(np.uint8) if marks else None
    return PackedTexts(tokens, offsets, np.array(labels), marked, 0)


@pytest.mark.parametrize("name", ["sms_spam", "sst2_sentences"])
def test_it_is_as_good_as_one_over_raw_words(data_dir: Path, name: str) -> None:
    values = {"data.name": name, "data.dir": str(data_dir), "target.word2vec": False}
    settings = override(Settings(), values | {"target.bag_of_words": False})
    corpus = prepare_corpus(settings)
    found = bag_of_words(corpus).figures(corpus.test.labels)
    raw = raw_corpus(name, dir=str(data_dir), seed=0)
    train = raw.train
    if raw.validation is None:
        train = train.take(stratified_split(train.labels, 0.1, 0)[0])
    words = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10, max_iter=300)
    ).fit(list(train.texts), train.labels)
    expected = words.score(list(raw.test.texts), raw.test.labels)
    assert found["accuracy"] == pytest.approx(expected, abs=0.012)
    assert found["accuracy"] > {"sms_spam": 0.97, "sst2_sentences": 0.80}[name]
    assert found["texts"] == len(corpus.train)


def test_word_pairs_are_terms_and_special_tokens_are_not(small_corpus: Corpus) -> None:
    """The class is whether 8 stands before 9; how often [SOS] stands there means nothing."""
    start, end = small_corpus.tokenizer.bos_token_id, small_corpus.tokenizer.eos_token_id
    random = np.random.default_rng(0)

    def split(count: int) -> PackedTexts:
        labels = [i % 2 for i in range(count)]
        rows = []
        for label in labels:
            filler = random.integers(10, 30, 4).tolist()
            rows.append([start, *filler[:2], *((8, 9) if label else (9, 8)), *filler[2:], end])
        return packed(rows, labels)

    corpus = dataclasses.replace(
        small_corpus, train=split(300), validation=split(60), test=split(100)
    )
    found = bag_of_words(corpus)
    assert found.name == "TF-IDF of words and word pairs, logistic regression"
    assert (found.predictions == corpus.test.labels).mean() == 1
    only_special = packed([[start] * (1 + i % 2) + [end] for i in range(40)], [i % 2 for i in range(40)])  # fmt: skip  # noqa: E501
    words = list(baseline_module._words(only_special, (start, end)))
    assert words == [[]] * 40


def test_a_large_corpus_is_read_in_part(
    small_corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baseline_module, "_found", {})
    monkeypatch.setattr(baseline_module, "TEXTS", 100)
    assert bag_of_words(small_corpus).texts == 100
    monkeypatch.setattr(baseline_module, "_found", {})
    tokens = int(small_corpus.train.lengths.mean() * 60.5)
    monkeypatch.setattr(baseline_module, "TOKENS", tokens)
    assert bag_of_words(small_corpus).texts == 60


def test_a_corpus_is_fitted_once_a_process(
    small_corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bag_of_words(small_corpus)
    monkeypatch.setattr(baseline_module, "_fit", lambda corpus: pytest.fail("fitted again"))
    again = dataclasses.replace(small_corpus, train=small_corpus.train.take(np.arange(150)))
    assert bag_of_words(again) is first  # equal, as it comes out of Ray's object store
    with pytest.raises(pytest.fail.Exception):
        bag_of_words(dataclasses.replace(small_corpus, train=small_corpus.validation))


def test_a_sample_keeps_the_shares_and_every_class() -> None:
    labels = np.array([0] * 700 + [1] * 299 + [2])
    whole = packed([[2, 10 + i, 3][: 1 + i % 3] for i in range(1000)], labels.tolist(), marks=True)
    part = sample(whole, 100, seed=1)
    counts = np.bincount(part.labels)
    assert counts[0] == pytest.approx(70, abs=1)
    assert counts[1] == pytest.approx(30, abs=1)
    assert counts[2] == 1
    assert sample(whole, 0, 1) is sample(whole, 1000, 1) is whole
    assert np.array_equal(sample(whole, 100, 1).tokens, part.tokens)
    assert not np.array_equal(sample(whole, 100, 2).tokens, part.tokens)


def test_taken_texts_are_those_texts() -> None:
    whole = packed([[2, 5, 3], [2, 3], [2, 7, 8, 9, 3]], [0, 1, 2], marks=True)
    part = whole.take(np.array([2, 0]))
    assert part.padded(np.arange(2)).tolist() == [[2, 7, 8, 9, 3], [2, 5, 3, 0, 0]]
    assert part.padded_marks(np.arange(2)).tolist() == [[0, 1, 0, 1, 1], [0, 1, 1, 0, 0]]
    assert part.labels.tolist() == [2, 0]
    assert len(whole.take(np.array([], np.int64))) == 0


def test_normalised_entropy_by_hand() -> None:
    row = torch.tensor([[0.5, 0.25, 0.25], [0.0, 0.5, 0.5], [0.0, 1.0, 0.0], [0.2, 0.3, 0.5]])
    maskable = torch.tensor([[0, 1, 1], [1, 1, 1], [1, 1, 1], [0, 0, 1]]).bool()
    found = normalized_entropy(row, maskable).tolist()
    assert found[:3] == pytest.approx([1, np.log(2) / np.log(3), 0])
    assert np.isnan(found[3])


def test_evenness_of_even_and_of_pointed_attention() -> None:
    even, pointed = (figure(KeyTarget(w), texts(), SPECIAL, 0, EVENNESS) for w in (0.0, 1e9))  # type: ignore[arg-type]
    assert even == pytest.approx(1)
    assert pointed == pytest.approx(0.5, abs=1e-3)  # half of the texts have a key to point at
    silent = packed([[2, 5, 3]] * 3, [0, 1, 0])
    assert figure(KeyTarget(0.0), silent, SPECIAL, 0, EVENNESS) is None  # type: ignore[arg-type]


def judged(right: int, other: int, count: int = 1000, even: float | None = 0.5) -> list[str]:
    """The doubts about a model with `right` texts right, where the baseline has `other`; what the
    worse one has right, so has the better one."""
    labels = np.arange(count) % 2
    predictions = np.where(np.arange(count) < right, labels, 1 - labels)
    baseline = Baseline("words", np.where(np.arange(count) < other, labels, 1 - labels), 9, 1.0)
    return doubts(labels, predictions, ["no", "yes"], baseline, even)


def test_below_the_baseline() -> None:
    (found,) = judged(850, 900)
    assert "accuracy is 0.050 below that of a bag of words (words)" in found
    assert "pretrained model (target.name)" in found
    assert judged(898, 900) == []  # within the noise: two texts
    assert judged(900, 850) == []
    assert judged(9, 10, count=10) == []


def test_the_noise_of_a_difference_is_that_of_the_texts_they_differ_in() -> None:
    one = np.array([True] * 90 + [False] * 10)
    other = np.array([True] * 80 + [False] * 10 + [True] * 4 + [False] * 6)
    discordant, difference = 14 / 100, 6 / 100
    assert standard_error(one, other) == pytest.approx(np.sqrt((discordant - difference**2) / 100))


def test_one_class_only() -> None:
    labels = np.array([0, 1] * 50)
    baseline = Baseline("words", labels, 9, 1.0)
    one, below = doubts(labels, np.ones(100, int), ["no", "yes"], baseline, None)
    assert "all 100 texts the class yes" in one
    assert "0.500 below" in below
    same = np.zeros(100, int)  # a test split that has one class itself
    assert doubts(same, same, ["no", "yes"], Baseline("words", same, 9, 1.0), None) == []


def test_even_attention() -> None:
    (found,) = judged(900, 900, even=0.996)
    assert "Attention is nearly even (normalised entropy 0.996" in found
    assert judged(900, 900, even=0.97) == []
    assert judged(900, 900, even=None) == []


WORDS = {"billing": ["invoice", "refund"], "network": ["router", "vpn"], "access": ["badge"]}
FILL = ["please", "help", "with", "the", "my", "since", "today", "on", "second", "floor", "again"]


def tickets(folder: Path, rows: int) -> Path:
    """A made-up file, in which one word decides."""
    random = np.random.default_rng(3)
    with (folder / "tickets.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["message", "team"])
        for i in range(rows):
            team = list(WORDS)[i % 3]
            words = [*random.choice(FILL, 7), random.choice(WORDS[team])]
            writer.writerow([" ".join(random.permutation(words)), team])
    return folder / "tickets.csv"


def test_a_run_that_has_learnt_nothing_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = TINY | {
        "data.name": "tickets", "data.train_file": tickets(tmp_path, 240),
        "data.text_column": "message", "data.label_column": "team",
        "train.epochs": 2, "train.target_lr": 1e-6, "train.discriminator_lr": 1e-6,
        "evaluate.texts": 20, "run.storage": tmp_path, "run.name": "poor",
    }  # fmt: skip
    arguments = [f"--{name}={value}" for name, value in given.items()]
    assert train_module.main(arguments) == 0
    output = capsys.readouterr().out
    result = json.loads((tmp_path / "poor" / "result.json").read_text())
    assert result["baseline"]["accuracy"] == 1
    assert result["baseline"]["macro_f1"] == 1
    assert result["evaluated"] == {"texts": 20, "of": 48}
    assert result["attention"]["normalized_entropy"] > 0.99
    assert "  a bag of words: accuracy 1.0000  macro F1 1.0000" in output
    assert "accuracy after deleting tokens (20 of 48 texts):" in output
    card = (tmp_path / "poor" / "model" / "README.md").read_text()
    for part in ("below that of a bag of words", "Attention is nearly even", "game has degen"):
        assert part in output
        assert any(part in text for text in result["warnings"])
        assert part in card
    assert "| accuracy of TF-IDF of words" in card
    assert "those of 20 of the 48 texts" in card
    assert train_module.main(arguments) == 0  # complete: the same is said again
    assert "warning: Attention is nearly even" in capsys.readouterr().out
