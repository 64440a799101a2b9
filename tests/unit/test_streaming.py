"""Corpora read from a Parquet file batch by batch: the same as from lists, in less memory."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from afa_ray.config import Settings
from afa_ray.data import packed as packing
from afa_ray.data import tables
from afa_ray.data.corpus import prepare_corpus
from afa_ray.data.packed import PackedTexts, pack
from afa_ray.data.parquet_texts import ParquetTexts
from afa_ray.data.splits import stratified_split
from afa_ray.data.texts import Texts
from afa_ray.data.tokenizer import train_tokenizer
from afa_ray.dotted import override
from afa_ray.errors import UserError
from tests.conftest import plain, raw_corpus, rows_of, small_texts

ARRAYS = ("tokens", "offsets", "labels", "marks", "units")


def write(path: Path, group: int, **columns: list[Any]) -> Path:
    """A Parquet file with row groups of `group` rows."""
    pq.write_table(pa.table(columns), path, row_group_size=group)
    return path


def assert_same(first: PackedTexts, second: PackedTexts) -> None:
    for name in ARRAYS:
        one, other = getattr(first, name), getattr(second, name)
        assert (one is None) == (other is None)
        if one is not None:
            assert one.dtype == other.dtype
            assert np.array_equal(one, other)
    assert first.truncated == second.truncated


@pytest.fixture(params=[(7, 3), (7, 1000), (1000, 7), (5, 5)], ids=str)
def batched(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Rows of a row group; they and the batches cut the file anywhere."""
    group, batch = request.param
    monkeypatch.setattr(tables, "BATCH_ROWS", batch)
    return group


def test_texts_of_a_file_are_read_as_often_as_wanted(tmp_path: Path, batched: int) -> None:
    path = write(tmp_path / "a.parquet", batched, text=[f"t{i}" for i in range(20)], other=[0] * 20)
    texts = ParquetTexts(path, "text", np.array([0, 1, 6, 7, 8, 19]))
    assert len(texts) == 6
    assert list(texts) == list(texts) == ["t0", "t1", "t6", "t7", "t8", "t19"]
    assert list(texts.take(np.array([0, 3, 5]))) == ["t0", "t7", "t19"]
    assert list(texts.take(np.array([], int))) == []


def test_a_file_gives_the_same_corpus_as_lists(tmp_path: Path, batched: int) -> None:
    """Also with rows without a text in between."""
    made = small_texts(150, 0)
    texts: list[Any] = list(made.texts)
    texts[3], texts[70], texts[149] = None, " ", ""
    labels = [("bad", "good")[label] for label in made.labels]
    parquet = write(tmp_path / "a.parquet", batched, text=texts, label=labels)
    csv = tmp_path / "a.csv"
    pairs = zip(texts, labels, strict=True)
    csv.write_text("text,label\n" + "".join(f"{text or ''},{x}\n" for text, x in pairs))

    def load(path: Path) -> Any:
        return raw_corpus("mine", seed=1, train_file=str(path))

    raw = load(parquet)
    assert isinstance(raw.train.texts, ParquetTexts)
    assert rows_of(raw.train) == rows_of(load(csv).train)
    assert raw.notes[0] == (
        "a.parquet: 3 of 150 rows hold no text and were dropped (rows 4, 71, 150)."
    )
    assert plain(raw)[3:] == plain(load(csv))[3:]

    values = {"data.name": "mine", "target.word2vec": False, "target.bag_of_words": False,
              "data.max_length": 8}  # fmt: skip
    one, other = (
        prepare_corpus(override(Settings(), values | {"data.train_file": str(path)}))
        for path in (parquet, csv)
    )
    for split in ("train", "validation", "test"):
        assert_same(getattr(one, split), getattr(other, split))
    assert one.tokenizer.get_vocab() == other.tokenizer.get_vocab()


def test_rows_are_counted_over_all_batches(tmp_path: Path, batched: int) -> None:
    labels: list[str | None] = ["a", "b"] * 15
    path = write(tmp_path / "a.parquet", batched, text=["x"] * 30, label=labels)
    odd = [*labels[:17], "c", *labels[18:29], "c"]
    test = write(tmp_path / "b.parquet", batched, text=["x"] * 30, label=odd)
    with pytest.raises(UserError, match=r"label 'c' \(first in row 18, 2 in all\)"):
        raw_corpus("mine", seed=0, train_file=str(path), test_file=str(test))
    labels[8] = labels[29] = None
    path = write(tmp_path / "a.parquet", batched, text=["x"] * 30, label=labels)
    with pytest.raises(UserError, match=r"no label in rows 9, 30 \(2 in all\)"):
        raw_corpus("mine", seed=0, train_file=str(path))


def test_a_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["a"])] * 3, names=["text", "text", "label"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(UserError, match="2 times"):
        raw_corpus("mine", seed=0, train_file=str(tmp_path / "a.parquet"))


def test_python_objects_live_for_a_batch_only(tmp_path: Path) -> None:
    """30,000 texts of 500 letters, 15 MB and more as strings, pass through less than 3 MB."""
    rows = 30_000
    texts = [f"{i} " * (500 // len(f"{i} ")) for i in range(rows)]
    path = write(tmp_path / "a.parquet", rows, text=texts, label=[i % 2 for i in range(rows)])
    del texts
    raw_corpus("mine", seed=0, train_file=str(path))  # imports
    tracemalloc.start()
    raw = raw_corpus("mine", seed=0, train_file=str(path))
    loaded = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    letters = sum(map(len, raw.train.texts))
    read = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert letters > 11_000_000
    assert loaded < 5_000_000
    assert read < 3_000_000


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_packing_equals_the_slow_way(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "CHUNK", chunk)
    texts = small_texts(40, 0)
    assert isinstance(texts.texts, list)
    tokenizer = train_tokenizer(texts.texts, 100, 8)
    packed = pack(Texts(texts.texts, texts.labels), tokenizer, 8, units=True)
    slow = [tokenizer(text, truncation=True)["input_ids"] for text in texts.texts]
    assert packed.tokens.tolist() == [token for row in slow for token in row]
    assert packed.offsets.tolist() == [0, *np.cumsum([len(row) for row in slow])]
    assert packed.truncated == sum(len(text.split()) + 2 > 8 for text in texts.texts) > 0
    assert packed.units is not None
    assert packed.units.tolist() == [
        n for row in slow for n in (0, *range(len(row) - 2), 0)
    ]  # every word is one token
    marked = pack(texts, tokenizer, 8, units=True)
    assert marked.marks is not None
    assert texts.marks is not None
    assert_same(packed, replace(marked, marks=None))
    assert marked.marks.tolist() == [
        n for row, marks in zip(slow, texts.marks, strict=True)
        for n in (0, *marks[: len(row) - 2], 0)
    ]  # fmt: skip


def test_no_texts_pack_to_nothing() -> None:
    packed = pack(Texts([], np.zeros(0, int)), train_tokenizer(["a a"], 10, 8), 8)
    assert packed.offsets.tolist() == [0]
    assert (packed.tokens.dtype, packed.tokens.shape) == (np.int32, (0,))


def test_tokens_are_counted_over_all_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "SLICE", 4)
    tokens = np.array([0, 1, 1, 0, 0, 2, 3, 1, 0], np.int32)
    packed = PackedTexts(tokens, np.array([0, 9]), np.zeros(1, int), None, 0)
    assert [packed.count(token) for token in (0, 1, 9)] == [4, 3, 0]


def test_splits_are_those_of_all_versions() -> None:
    labels = np.repeat([0, 1, 2], [12, 5, 3])
    assert stratified_split(labels, 0.25, 7)[1].tolist() == [4, 6, 9, 14, 17]
    labels = np.random.default_rng(0).integers(0, 3, 5000)
    kept, held_out = stratified_split(labels, 0.1, 3)
    assert kept.dtype == held_out.dtype == np.int64
    assert (len(held_out), int(held_out.sum())) == (500, 1_252_562)
