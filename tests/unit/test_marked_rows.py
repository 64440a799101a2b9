"""What people marked in files of one's own, and how much of it a batch brings."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from afa_ray.data.batches import worker_batches
from afa_ray.data.packed import pack
from afa_ray.data.texts import Texts
from afa_ray.data.tokenizer import train_tokenizer
from afa_ray.errors import UserError
from tests.conftest import raw_corpus

ROWS = [
    {"text": "a good  film", "label": "yes", "seen": [0, 1, 0]},
    {"text": "so bad", "label": "no", "seen": [[0, 1], [1, 1], [0, 0]]},
    {"text": " ", "label": "no", "seen": [1]},
    {"text": "none here", "label": "no", "seen": None},
    {"text": "read it", "label": "yes", "seen": [0.25, 0.5]},
] * 3


def write(folder: Path, kind: str, rows: list[dict] = ROWS) -> str:
    path = folder / f"train.{kind}"
    if kind == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows))
    elif kind == "parquet":
        columns = {name: [row[name] for row in rows] for name in ("text", "label")}
        seen = [None if row["seen"] is None else json.dumps(row["seen"]) for row in rows]
        pq.write_table(pa.table(columns | {"seen": seen}), path)
    else:
        cells = [
            f'{row["text"]},{row["label"]},"{json.dumps(row["seen"]) if row["seen"] else ""}"'
            for row in rows
        ]
        path.write_text("\n".join(["text,label,seen", *cells]))
    return str(path)


def read(path: str) -> Texts:
    train = raw_corpus("own", seed=0, train_file=path, test_file=path, marks_column="seen").train
    assert len(train) == 12
    return train


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_marks_by_one_or_by_several(tmp_path: Path, kind: str) -> None:
    texts = read(write(tmp_path, kind))
    assert texts.words is not None
    assert texts.marks is not None
    assert texts.human is not None
    assert texts.words[:2] == [["a", "good", "film"], ["so", "bad"]]
    assert texts.marks[:4] == [[0, 1, 0], [0, 1], [0, 0], [1, 1]]  # by half of the people or more
    assert texts.human[:4] == [[0, 1, 0], [1, 2], [0, 0], [0.25, 0.5]]


def test_they_come_with_batches(tmp_path: Path) -> None:
    texts = read(write(tmp_path, "jsonl"))
    tokenizer = train_tokenizer(texts.texts, 50, 16)
    packed = pack(texts, tokenizer, 16, human=True)
    assert pack(texts, tokenizer, 16).human is None
    (batch,) = worker_batches(packed, batch_size=12, seed=0, epoch=0, needs={"human", "marks"})
    assert batch.human is not None
    assert batch.human.dtype == np.float32
    rows = dict(zip(batch.examples.tolist(), batch.human.tolist(), strict=True))
    assert rows[0] == [0, 0, 1, 0, 0]
    assert rows[1] == [0, 1, 2, 0, 0]
    halves = batch.parts(2)
    assert np.array_equal(np.concatenate([half.human for half in halves]), batch.human)
    taken = packed.take(np.array([1]))
    assert taken.padded_human(np.array([0])).tolist() == [[0, 1, 2, 0]]
    without = pack(texts, tokenizer, 16)  # the marks say it then
    assert without.padded_human(np.array([1])).tolist() == [[0, 0, 1, 0]]


@pytest.mark.parametrize(
    ("seen", "message"),
    [
        ([1, 0], "not one number for each word (what blanks separate) in row 1"),
        ([[1, 0, 0], [1]], "the first has 3 words, 1 marks"),
        ("good", "neither a list of numbers of at least 0, such as [0, 1, 0]"),
        ([0, -1, 0], "nor a list of such lists in row 1 (1 in all)"),
        ({"good": 1}, "neither a list"),
    ],
)
def test_what_is_no_list_of_marks_is_said(tmp_path: Path, seen: object, message: str) -> None:
    path = write(tmp_path, "jsonl", [{**ROWS[0], "seen": seen}, *ROWS[1:]])
    with pytest.raises(UserError) as error:
        read(path)
    assert "data.marks_column = seen" in str(error.value)
    assert message in str(error.value)


def test_a_column_that_is_not_there_or_serves_already(tmp_path: Path) -> None:
    path = write(tmp_path, "jsonl")
    for column, message in [
        ("sean", "has no column 'sean'"),
        ("text", "is the column of the texts"),
    ]:
        with pytest.raises(UserError, match=message):
            raw_corpus("own", seed=0, train_file=path, marks_column=column)
    with pytest.raises(UserError, match="marks_column = seen: has no use with the set reviews"):
        raw_corpus("reviews", seed=0, marks_column="seen")
