"""A Target that starts at the decision of a bag of words."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression

from afa_ray.data.corpus import Corpus
from afa_ray.data.packed import PackedTexts
from afa_ray.data.tokenizer import special_ids
from afa_ray.data.word_evidence import word_evidence
from afa_ray.evaluation.prediction import predict
from afa_ray.models import Target, TargetConfig
from afa_ray.training.head_start import begin_with

WORDS, CLASSES = 30, 4
SPECIAL, END = (0, 2, 3, 4), 3


@pytest.fixture(scope="module")
def texts() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tokens, offsets and labels; class c (0, 1 and 3) has words 10 + 5 c … 14 + 5 c more often."""
    random = np.random.default_rng(0)
    labels = random.choice([0, 1, 3], 90)
    rows = [
        [2, *random.integers(5, WORDS, 6), *random.integers(10 + 5 * label, 15 + 5 * label, 3), 3]
        for label in labels
    ]
    offsets = np.cumsum([0, *map(len, rows)])
    return np.concatenate(rows).astype(np.int32), offsets, labels


def packed(tokens: np.ndarray, offsets: np.ndarray, labels: np.ndarray) -> PackedTexts:
    return PackedTexts(tokens, offsets, labels, None, 0)


def counted(tokens: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """(N, V) counts of words that are not special."""
    rows = [np.bincount(row, minlength=WORDS) for row in np.split(tokens, offsets[1:-1])]
    counts = np.stack(rows)
    counts[:, SPECIAL] = 0
    return counts


def test_evidence_is_idf_times_the_weight_of_the_regression(texts, monkeypatch) -> None:
    monkeypatch.setattr("afa_ray.data.word_evidence.INVERSE_PENALTIES", (1.0,))
    tokens, offsets, labels = texts
    before = tokens.copy()
    found = word_evidence(packed(tokens, offsets, labels), SPECIAL, (WORDS, CLASSES))
    weigh, counts = TfidfTransformer(sublinear_tf=True), counted(tokens, offsets)
    weighed = weigh.fit_transform(counts)
    model = LogisticRegression(max_iter=300).fit(weighed, labels)
    expected = (model.coef_ * weigh.idf_).T
    read = np.delete(np.arange(WORDS), END)
    assert np.allclose(found[read][:, [0, 1, 3]], expected[read], atol=1e-3)
    assert not found[:, 2].any()  # a class that does not occur
    assert not found[[token for token in SPECIAL if token != END]].any()
    unit = np.linalg.norm(counts @ expected / 11) / np.linalg.norm(weighed @ model.coef_.T)
    assert np.allclose(found[END, [0, 1, 3]], unit * model.intercept_, atol=1e-3)
    assert np.array_equal(tokens, before)


def test_with_two_classes_what_speaks_for_one_speaks_against_the_other(texts) -> None:
    tokens, offsets, labels = texts
    found = word_evidence(packed(tokens, offsets, (labels == 3).astype(int)), SPECIAL, (WORDS, 2))
    assert np.array_equal(found[:, 0], -found[:, 1])
    assert (found[25:30, 1] > 0).all()


def small_target(size: int = 32, classes: int = CLASSES, hops: int = 1) -> Target:
    torch.manual_seed(0)
    sizes = {"vocab_size": WORDS, "hidden_size": size, "hops": hops}
    return Target(TargetConfig(**sizes, max_position_embeddings=16, num_labels=classes)).eval()


@pytest.mark.parametrize("hops", [1, 2])
def test_a_fresh_target_decides_as_the_bag_of_words(texts, hops: int) -> None:
    tokens, offsets, labels = texts
    evidence = word_evidence(packed(tokens, offsets, labels), SPECIAL, (WORDS, CLASSES))
    target = small_target(hops=hops)
    begin_with(target, evidence, tokens, offsets, seed=0)
    means = np.stack([evidence[row].mean(0) for row in np.split(tokens, offsets[1:-1])])
    said = (means + evidence[END]).argmax(1)
    assert (predict(target, packed(tokens, offsets, labels)).numpy() == said).mean() > 0.95
    assert (said == labels).mean() > 0.8


def test_a_rare_class_takes_more_than_a_word_or_two(texts) -> None:
    """Of ten texts one is spam: what is known before a word is read speaks against it."""
    tokens, offsets, _ = texts
    labels = np.arange(len(offsets) - 1) % 10 == 0
    evidence = word_evidence(packed(tokens, offsets, labels.astype(int)), SPECIAL, (WORDS, 2))
    target = small_target(classes=2)
    begin_with(target, evidence, tokens, offsets, seed=0)
    assert evidence[END, 0] > 0 > evidence[END, 1]
    assert not predict(target, packed(tokens, offsets, labels)).any()


def test_attention_is_the_only_way_from_words_to_the_decision(texts) -> None:
    tokens, offsets, labels = texts
    target = small_target()
    evidence = word_evidence(packed(tokens, offsets, labels), SPECIAL, (WORDS, CLASSES))
    begin_with(target, evidence, tokens, offsets, seed=0)
    rows = torch.from_numpy(tokens.reshape(len(labels), -1)).long()
    deleted = torch.zeros(len(rows), 1, rows.shape[1], dtype=torch.bool)
    deleted[..., 1:-1] = True
    bare = target.copies(rows, deleted)[:, 0]
    assert torch.allclose(bare, bare[:1].expand_as(bare), atol=1e-6)
    shorter = torch.stack([rows[:, 0], rows[:, 5], rows[:, -1]], 1)
    deleted[..., 5] = False
    assert torch.allclose(target.copies(rows, deleted)[:, 0], target(shorter).logits, atol=1e-5)


def test_more_classes_than_the_target_is_wide(texts) -> None:
    tokens, offsets, _ = texts
    labels = np.arange(len(offsets) - 1) % 40
    target = small_target(size=32, classes=40)
    begin_with(
        target, word_evidence(packed(tokens, offsets, labels), SPECIAL, (WORDS, 40)), *texts[:2], 0
    )
    assert all(parameter.isfinite().all() for parameter in target.parameters())


def test_words_that_say_nothing_leave_a_target_as_it_is(texts) -> None:
    target = small_target()
    before = {name: weight.clone() for name, weight in target.state_dict().items()}
    begin_with(target, np.zeros((WORDS, CLASSES), np.float32), *texts[:2], seed=0)
    assert all(torch.equal(before[n], weight) for n, weight in target.state_dict().items())


def test_special_tokens_of_a_corpus_say_nothing(small_corpus: Corpus) -> None:
    special, train = special_ids(small_corpus.tokenizer), small_corpus.train
    shape = (len(small_corpus.tokenizer), 2)
    found = word_evidence(train, special, shape)
    good = small_corpus.tokenizer.convert_tokens_to_ids("superb")
    end = small_corpus.tokenizer.eos_token_id
    assert not found[[token for token in special if token != end]].any()
    assert found[:, 1].argmax() in small_corpus.tokenizer.convert_tokens_to_ids(
        ["superb", "lovely", "great"]
    )
    assert found[good, 1] > 0 > found[good, 0]
