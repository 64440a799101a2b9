"""Tokenizer, packing and batches."""

from pathlib import Path

import numpy as np
import pytest

from afa_ray.complaints import complaints
from afa_ray.config import Settings
from afa_ray.data.batches import contrast_partners, global_batches, worker_batches
from afa_ray.data.corpus import UNREAD, prepare_corpus
from afa_ray.data.packed import PackedTexts, pack
from afa_ray.data.texts import Texts
from afa_ray.data.tokenizer import special_ids, train_tokenizer
from afa_ray.dotted import override

TEXTS = ["Good food, good mood", "bad FOOD and bad mood", "good good", "bad", "and the [PAD] end"]


@pytest.fixture
def tokenizer():
    return train_tokenizer(TEXTS, vocab_size=50, max_length=8, min_frequency=2)


def random_packed(count: int = 103, seed: int = 0) -> PackedTexts:
    random = np.random.default_rng(seed)
    lengths = random.integers(2, 40, count)
    offsets = np.concatenate([[0], lengths.cumsum()])
    tokens = random.integers(5, 99, offsets[-1]).astype(np.int32)
    return PackedTexts(tokens, offsets, random.integers(0, 3, count), None, 0)


def test_vocabulary_holds_words_seen_twice(tokenizer) -> None:
    vocabulary = tokenizer.get_vocab()
    assert {"good", "bad", "food", "mood", "and"} <= set(vocabulary)
    assert "the" not in vocabulary
    assert [vocabulary[t] for t in ("[PAD]", "[UNK]", "[SOS]", "[EOS]", "[MASK]")] == [
        0,
        1,
        2,
        3,
        4,
    ]
    assert sorted(special_ids(tokenizer)) == [0, 2, 3, 4]


def test_vocabulary_is_limited_to_the_most_frequent_words() -> None:
    assert len(train_tokenizer(TEXTS, vocab_size=7, max_length=8)) == 7


def test_packing_equals_the_tokenizer_and_user_text_is_never_special(tokenizer) -> None:
    packed = pack(Texts(TEXTS, [0, 1, 0, 1, 0]), tokenizer, max_length=8)
    for i, text in enumerate(TEXTS):
        row = packed.padded(np.array([i]))[0].tolist()
        assert row == tokenizer(text, truncation=True)["input_ids"]
        assert 0 not in row
    assert packed.labels.tolist() == [0, 1, 0, 1, 0]
    assert packed.truncated == 0


def test_long_texts_are_cut_as_the_tokenizer_cuts_them(tokenizer) -> None:
    text = "good bad food mood and good bad food"
    packed = pack(Texts([text, "good"], [0, 1]), tokenizer, max_length=8)
    assert packed.truncated == 1
    assert packed.padded(np.array([0]))[0].tolist() == tokenizer(text, truncation=True)["input_ids"]
    assert packed.padded(np.array([0]))[0, -1] == tokenizer.eos_token_id


def test_marks_follow_their_words_through_tokenising_and_cutting(tokenizer) -> None:
    words = ["good-good", "and", "bad"]
    texts = Texts([" ".join(words)], [0], [words], [[1, 0, 1]])
    packed = pack(texts, tokenizer, max_length=8)
    assert tokenizer.convert_ids_to_tokens(packed.tokens.tolist()) == [
        "[SOS]", "good", "[UNK]", "good", "and", "bad", "[EOS]"
    ]  # fmt: skip
    assert packed.padded_marks(np.array([0])).tolist() == [[0, 1, 1, 1, 0, 1, 0]]
    cut = pack(texts, tokenizer, max_length=4)
    assert cut.padded_marks(np.array([0])).tolist() == [[0, 1, 1, 0]]


def test_padded_rows_by_hand() -> None:
    packed = PackedTexts(
        np.array([2, 7, 3, 2, 3, 2, 8, 9, 3], np.int32),
        np.array([0, 3, 5, 9]),
        np.zeros(3),
        None,
        0,
    )
    assert packed.padded(np.array([2, 0])).tolist() == [[2, 8, 9, 3], [2, 7, 3, 0]]
    assert packed.padded(np.array([1])).tolist() == [[2, 3]]


def test_an_epoch_holds_every_text_once_in_even_batches() -> None:
    lengths = random_packed().lengths
    batches = global_batches(lengths, 16, seed=0, epoch=0)
    assert sorted(np.concatenate(batches)) == list(range(103))
    assert len(batches) == 7
    assert {len(batch) for batch in batches} == {14, 15}
    other = global_batches(lengths, 16, seed=0, epoch=1)
    assert not all(np.array_equal(a, b) for a, b in zip(batches, other, strict=True))
    again = global_batches(lengths, 16, seed=0, epoch=0)
    assert all(np.array_equal(a, b) for a, b in zip(batches, again, strict=True))


def test_batches_hold_texts_of_similar_length() -> None:
    lengths = random_packed(4000).lengths
    padding = sum(
        (lengths[b].max() - lengths[b]).sum() for b in global_batches(lengths, 32, seed=0, epoch=0)
    )
    assert padding < 0.06 * lengths.sum()


def test_workers_share_the_same_global_batches() -> None:
    packed = random_packed()
    settings = {"batch_size": 16, "seed": 0, "epoch": 2, "needs": {"partners"}}
    whole = list(worker_batches(packed, **settings))
    shares = [list(worker_batches(packed, rank=r, workers=3, **settings)) for r in range(3)]
    assert {len(share) for share in shares} == {len(whole)}
    for number, batch in enumerate(whole):
        parts = [share[number] for share in shares]
        for r, part in enumerate(parts):
            assert np.array_equal(part.examples, batch.examples[r::3])
            width = part.partners.shape[1]
            assert np.array_equal(part.partners, batch.partners[r::3, :width])
        mean = np.mean([p.weight for p in parts])
        assert mean == pytest.approx(1)
        assert batch.weight == 1


def test_skipping_continues_an_epoch() -> None:
    packed = random_packed()
    settings = {"batch_size": 16, "seed": 0, "epoch": 2, "needs": {"partners"}}
    whole, rest = (list(worker_batches(packed, skip=s, **settings)) for s in (0, 4))
    assert len(rest) == len(whole) - 4
    assert np.array_equal(rest[0].tokens, whole[4].tokens)
    assert np.array_equal(rest[0].partners, whole[4].partners)


def test_partners_are_of_another_class() -> None:
    labels = np.array([0, 0, 1, 2, 1, 0, 1])
    batch = np.array([0, 2, 3, 5])
    for seed in range(20):
        partners = contrast_partners(batch, labels, np.random.default_rng(seed))
        assert (labels[partners] != labels[batch]).all()
        assert set(partners) <= set(batch)
    alone = contrast_partners(np.array([0, 1, 5]), labels, np.random.default_rng(0))
    assert (labels[alone] != 0).all()


def test_the_split_may_have_a_seed_of_its_own(tmp_path: Path) -> None:
    """Several runs of one setting can be tested on the same texts."""
    rows = "".join(f"text number{i} and number{i % 7},{i % 2}\n" for i in range(60))
    (tmp_path / "own.csv").write_text("text,label\n" + rows)
    values = {"data.name": "own", "data.train_file": str(tmp_path / "own.csv"),
              "target.word2vec": False, "target.bag_of_words": False}  # fmt: skip

    def test_texts(seed: int, split_seed: int | None) -> list[int]:
        seeds = {"train.seed": seed, "data.split_seed": split_seed}
        return prepare_corpus(override(Settings(), values | seeds)).test.tokens.tolist()

    assert test_texts(0, 5) == test_texts(1, 5) == test_texts(5, None)
    assert test_texts(0, None) == test_texts(1, 0) != test_texts(1, None)


def test_trials_leave_the_test_texts_unread(tmp_path: Path) -> None:
    rows = "".join(f"text number{i} and number{i % 7},{i % 2}\n" for i in range(60))
    (tmp_path / "own.csv").write_text("text,label\n" + rows)
    values = {"data.name": "own", "data.train_file": str(tmp_path / "own.csv"),
              "target.word2vec": False, "train.refit": False}  # fmt: skip
    judged = prepare_corpus(override(Settings(), values))
    tried = prepare_corpus(override(Settings(), values | {"data.evaluate_on": "validation"}))
    assert tried.test.tokens.tolist() == tried.validation.tokens.tolist()
    assert tried.validation.tokens.tolist() == judged.validation.tokens.tolist()
    assert tried.test.tokens.tolist() != judged.test.tokens.tolist()
    assert (UNREAD in tried.notes, UNREAD in judged.notes) == (True, False)


def test_the_share_held_out_for_validation(tmp_path: Path) -> None:
    rows = "".join(f"text number{i} and number{i % 7},{i % 2}\n" for i in range(100))
    (tmp_path / "own.csv").write_text("text,label\n" + rows)
    values = {"data.name": "own", "data.train_file": str(tmp_path / "own.csv"),
              "target.word2vec": False}  # fmt: skip

    def sizes(share: float) -> tuple[int, int]:
        corpus = prepare_corpus(override(Settings(), values | {"data.validation_share": share}))
        return len(corpus.train), len(corpus.validation)

    assert sizes(0.1) == (72, 8)  # of the 80 that are not test texts
    assert sizes(0.25) == (60, 20)
    (complaint,) = complaints(override(Settings(), {"data.validation_share": 1.0}))
    assert complaint == "data.validation_share = 1.0: must be above 0 and below 1"
