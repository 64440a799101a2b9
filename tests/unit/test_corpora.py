"""The generated corpus is what it says, and what preparing it takes is measured."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from afa_ray.benchmark import corpora
from afa_ray.benchmark.corpora import PLANTED, generate_parquet, prepare_rows
from afa_ray.config import Settings
from afa_ray.data.corpus import prepare_corpus
from tests.conftest import small_texts

WORDS = corpora._vocabulary()
SIDES = [set(WORDS[: PLANTED // 2]), set(WORDS[PLANTED // 2 : PLANTED])]


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpora, "BATCH_ROWS", 900)


def test_every_text_has_one_planted_word_of_its_class(tmp_path: Path) -> None:
    written = generate_parquet(tmp_path / "a.parquet", 2000)
    rows = pq.read_table(tmp_path / "a.parquet").to_pylist()
    assert written["rows"] == len(rows) == 2000
    assert written["text_bytes"] == sum(len(row["text"]) for row in rows)
    assert written["file_bytes"] == (tmp_path / "a.parquet").stat().st_size
    for row in rows:
        words = row["text"].split(" ")
        assert 20 <= len(words) <= 40
        assert sum(word in SIDES[row["label"]] for word in words) == 1
        assert not any(word in SIDES[1 - row["label"]] for word in words)
    assert 900 < sum(row["label"] for row in rows) < 1100


def test_words_follow_zipfs_law(tmp_path: Path) -> None:
    generate_parquet(tmp_path / "a.parquet", 2000)
    texts = pq.read_table(tmp_path / "a.parquet")["text"].to_pylist()
    counts = Counter(word for text in texts for word in text.split())
    first = counts[WORDS[PLANTED]]
    assert counts[WORDS[PLANTED + 9]] == pytest.approx(first / 10, rel=0.2)
    assert counts[WORDS[PLANTED + 99]] == pytest.approx(first / 100, rel=0.5)
    assert len(set(WORDS)) == len(WORDS) == corpora.VOCABULARY


def test_the_seed_alone_decides(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        generate_parquet(tmp_path / f"{name}.parquet", 1000, seed)
    first, again, other = (pq.read_table(tmp_path / f"{name}.parquet") for name in "abc")
    assert first == again
    assert first != other


@pytest.mark.slow
def test_preparing_is_measured_in_a_process_of_its_own() -> None:
    found = prepare_rows(2000)
    assert found["rows"] == 2000
    assert found["file_bytes"] > 0
    assert found["rows_per_second"] == pytest.approx(2000 / found["seconds"])
    tokens = 2000 * (30 + 2)
    assert found["packed_bytes"] == pytest.approx(4 * tokens + 16 * 2000, rel=0.05)
    assert 100e6 < found["base_bytes"] < 2e9
    assert 0 < found["memory_bytes"] < 500e6


def test_held_out_texts_are_trained_on_in_the_end_where_all_are_few(
    tiny_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    texts = small_texts(300, seed=0)
    with (tmp_path / "own.csv").open("w", newline="", encoding="utf-8") as file:
        rows = zip(texts.texts, texts.labels, strict=True)
        csv.writer(file).writerows([("text", "label"), *rows])
    of = {"data.name": "own", "data.train_file": str(tmp_path / "own.csv")}
    judged_by_words = of | {"target.bag_of_words": True, "train.refit": None}
    held_out = prepare_corpus(tiny_settings(judged_by_words))
    whole = held_out.whole
    assert whole is not None
    assert len(whole.train) == len(held_out.train) + len(held_out.validation)
    assert len(whole.train) == 300 - len(held_out.test)
    assert held_out.evidence is not None
    assert whole.evidence is not None
    assert not np.array_equal(held_out.evidence, whole.evidence)
    assert prepare_corpus(tiny_settings(of | {"train.refit": False})).whole is None
    judged = {"data.evaluate_on": "validation", "train.refit": True}
    assert prepare_corpus(tiny_settings(of | judged)).whole is None
    given = {"data.name": "reviews", "train.refit": None}  # has validation texts
    assert prepare_corpus(tiny_settings(given)).whole is None
