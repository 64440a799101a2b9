"""A user's own files: the same classes from every format, and nothing taken for what it is not."""

from __future__ import annotations

import codecs
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from afa_ray.data.texts import RawCorpus
from afa_ray.errors import UserError
from tests.conftest import plain, raw_corpus

FORMATS = ("csv", "tsv", "jsonl", "parquet")


def write(path: Path, labels: list[Any], texts: list[str] | None = None) -> Path:
    """A table of texts and labels, in the format of the suffix, as pandas leaves it."""
    frame = pd.DataFrame({"text": texts or [f"text {i}" for i in range(len(labels))]})
    frame["label"] = pd.Series(labels, dtype=None if path.suffix == ".parquet" else object)
    match path.suffix:
        case ".csv" | ".tsv":
            frame.to_csv(path, index=False, sep="," if path.suffix == ".csv" else "\t")
        case ".jsonl":
            frame.to_json(path, orient="records", lines=True, force_ascii=False)
        case _:
            frame.to_parquet(path)
    return path


def load(path: Path, **settings: Any) -> RawCorpus:
    return raw_corpus("mine", seed=0, train_file=str(path), **settings)


def message(path: Path, **settings: Any) -> str:
    with pytest.raises(UserError) as caught:
        load(path, **settings)
    return str(caught.value)


# --- labels --------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([2, 10, 1], ["1", "2", "10"]),
        ([2.0, 10.0, 1.0], ["1", "2", "10"]),
        ([True, False], ["false", "true"]),
        ([4.5, 10.0, 0.5], ["0.5", "4.5", "10"]),
        ([-1.0, 0.0, 1.0], ["-1", "0", "1"]),
        (["01", "1", "10"], ["01", "1", "10"]),
        (["none", "b", "2.0"], ["2.0", "b", "none"]),
        (["1.10", "1.1", "2"], ["1.1", "1.10", "2"]),
    ],
)
def test_classes_have_the_same_names_in_every_format(
    tmp_path: Path, suffix: str, labels: list[Any], names: list[str]
) -> None:
    corpus = load(path := write(tmp_path / f"a.{suffix}", labels * 5), test_file=str(path))
    assert corpus.label_names == names
    assert [names[label] for label in corpus.train.labels[: len(names)]] == [
        str(label).lower().removesuffix(".0") if isinstance(label, float | bool) else str(label)
        for label in labels
    ]


@pytest.mark.parametrize(
    "labels", [["1", "1.0", "0", "0.0"], ["+1", "1.00", "0", "-0"], ["1e0", "1", "0", "0."]]
)
def test_numbers_of_one_value_are_one_class(tmp_path: Path, labels: list[str]) -> None:
    corpus = load(write(tmp_path / "a.csv", labels * 5))
    assert corpus.label_names == ["0", "1"]
    assert np.bincount(corpus.train.labels).tolist() == [8, 8]
    assert corpus.notes[0].startswith("Labels of one value are one class: ")
    assert f"{labels[0]!r}, {labels[1]!r} as '1'" in corpus.notes[0]


def test_labels_that_look_the_same_are_one_class(tmp_path: Path) -> None:
    """Zero-width and no-break spaces, a byte-order mark, an accent as a sign of its own."""
    labels = [
        "né",
        "ne\u0301",
        "né\u200b",
        "\ufeffné",
        "né\u00a0",
        "👨‍👩‍👧",
        "❤️",
        "\u200b👨‍👩‍👧",
        "❤️ ",
    ]
    corpus = load(write(tmp_path / "a.csv", labels * 3))
    assert corpus.label_names == ["né", "❤️", "👨‍👩‍👧"]
    assert "no label in row 2 (1 in all)" in message(
        write(tmp_path / "a.csv", ["a", "\u200b", "b"])
    )


def test_labels_that_differ_in_case_only_are_named(tmp_path: Path) -> None:
    corpus = load(write(tmp_path / "a.csv", ["Good", "good", "bad"] * 5))
    assert corpus.label_names == ["Good", "bad", "good"]
    assert corpus.notes[0] == "Labels that differ in case only are several classes: 'Good', 'good'."


def test_numbers_are_compared_across_files(tmp_path: Path) -> None:
    train = write(tmp_path / "train.csv", ["1", "0"] * 5)
    validation = write(tmp_path / "validation.parquet", [1.0, 0.0, 1.0])
    test = tmp_path / "test.jsonl"
    test.write_text('{"text": "a", "label": 1.0}\n{"text": "b", "label": "0"}\n')
    corpus = load(train, validation_file=str(validation), test_file=str(test))
    assert corpus.label_names == ["0", "1"]
    assert corpus.validation is not None
    assert corpus.validation.labels.tolist() == [1, 0, 1]
    assert corpus.test.labels.tolist() == [1, 0]


def test_a_name_among_the_numbers_leaves_all_as_they_are_written(tmp_path: Path) -> None:
    corpus = load(write(tmp_path / "a.csv", ["1", "1.0", "x"] * 5))
    assert corpus.label_names == ["1", "1.0", "x"]


def test_narrow_floats_and_decimals(tmp_path: Path) -> None:
    for number, labels in enumerate(
        (np.float32([0.1, 2, 0.7]), [Decimal(x) for x in ("0.1", "2.0", "0.7")])
    ):
        frame = pd.DataFrame({"text": ["a", "b", "c"] * 5, "label": list(labels) * 5})
        if number == 0:
            frame["label"] = frame["label"].astype("float32")
        frame.to_parquet(path := tmp_path / f"{number}.parquet")
        assert load(path).label_names == ["0.1", "0.7", "2"]


@pytest.mark.parametrize(
    "word", ["nan", "NaN", "NA", "N/A", "null", "NULL", "<NA>", "#N/A", "None"]
)
@pytest.mark.parametrize("suffix", FORMATS)
def test_words_for_missing_values_are_no_classes(tmp_path: Path, suffix: str, word: str) -> None:
    path = write(tmp_path / f"a.{suffix}", ["b", word, "a", "b", word, "a"])
    text = message(path)
    assert f"{path}: no label in rows 2, 5 (2 in all)" in text
    assert f"If '{word}' is no missing value but the name of a class, set data.keep_na" in text
    names = load(path, test_file=str(path), keep_na=True).label_names
    assert names == sorted(["a", "b", word])


@pytest.mark.parametrize("suffix", FORMATS)
def test_gaps_are_refused_even_so(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"a.{suffix}", [1.0, None, 2.0, 1.0, float("nan"), 2.0])
    for keep in (False, True):
        assert "no label in rows 2, 5 (2 in all). Fill them in" in message(path, keep_na=keep)


def test_classes_for_missing_values_stand_behind_numbers(tmp_path: Path) -> None:
    corpus = load(write(tmp_path / "a.csv", ["10", "NA", "2.0", "2"] * 5), keep_na=True)
    assert corpus.label_names == ["2", "10", "NA"]


def test_keeping_na_has_no_use_with_a_named_set() -> None:
    with pytest.raises(UserError, match="keep_na = True: has no use with the set reviews"):
        raw_corpus("reviews", seed=0, keep_na=True)


# --- texts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", FORMATS)
def test_texts_that_cannot_be_seen_are_no_texts(tmp_path: Path, suffix: str) -> None:
    blank = [
        "\u200b\u200b",
        "\ufeff",
        "\u00a0 \u2003",
        "\u200d\ufe0f",
        "\u2060\u00ad",
        "\u3164",
        "\u2800",
    ]
    seen = ["a\u200b", "😀", "\u200bé", "؟", "\U0001fae8", "\ue000"]
    path = write(tmp_path / f"a.{suffix}", ["x", "y"] * 6 + ["x"], [*blank, *seen])
    corpus = load(path, test_file=str(path))
    assert list(corpus.train.texts) == seen
    assert corpus.notes[0] == (
        f"a.{suffix}: 7 of 13 rows hold no text and were dropped (rows 1, 2, 3, 4, 5, ...)."
    )


# --- columns -------------------------------------------------------------------------------------


def test_columns_that_stand_twice_are_refused_in_every_format(tmp_path: Path) -> None:
    for name, content in {
        "a.csv": "text,label, label\na,b,c\n",
        "a.tsv": "text\ttext\tlabel\na\tb\tc\n",
        "b.csv": "sep=;\ntext;label;label\na;b;c\n",
        "a.jsonl": '{"text": "a", "label": 1}\n{"text": "a", "label": 1, "label": 2}\n',
    }.items():
        (tmp_path / name).write_text(content)
        text = message(tmp_path / name)
        assert "2 times. Rename or remove all but one." in text, text
    (tmp_path / "c.csv").write_text("text,label,other,other\n" + "a,1,,\nb,2,,\n" * 5)
    assert load(tmp_path / "c.csv").label_names == ["1", "2"]
    nested = '{"text": "a", "label": %d, "meta": {"x": 1, "x": 2}}\n'
    (tmp_path / "c.jsonl").write_text("".join(nested % (i % 2) for i in range(10)))
    assert load(tmp_path / "c.jsonl").label_names == ["0", "1"]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("first", ["", "sep={}\r\n", '"sep={}"\n'])
@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_the_separator_is_found(tmp_path: Path, separator: str, first: str, suffix: str) -> None:
    """Also where texts hold other separators, more often than the file holds its own."""
    rows = [["id", "text", "label"]]
    rows += [[str(i), f'"a, b; c, d | e; f,\t{i}"', "xy"[i % 2]] for i in range(10)]
    content = first.format(separator) + "\n".join(map(separator.join, rows))
    (tmp_path / f"a.{suffix}").write_text(content)
    corpus = load(tmp_path / f"a.{suffix}", test_file=str(tmp_path / f"a.{suffix}"))
    assert list(corpus.train.texts) == [f"a, b; c, d | e; f,\t{i}" for i in range(10)]
    assert corpus.label_names == ["x", "y"]


def test_a_stated_separator_may_be_any_character(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("sep=^\ntext^label\n" + "a;b,c^x\nd^y\n" * 5)
    assert load(tmp_path / "a.csv").label_names == ["x", "y"]


def test_messages_name_the_separator_and_the_line_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("body;class\na;b\n")
    text = message(tmp_path / "a.csv")
    assert "no column 'text'. Its columns are 'body', 'class' (separated by ';')" in text
    (tmp_path / "a.csv").write_text("sep=;\ntext;label\na;b\na;b;c\n")
    text = message(tmp_path / "a.csv")
    assert "line 4 has 3 fields, the header has 2" in text
    assert "holds the separator ';'" in text


# --- encodings -----------------------------------------------------------------------------------

MARKS = {
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}


@pytest.mark.parametrize("encoding", MARKS)
def test_the_mark_in_front_tells_the_encoding(tmp_path: Path, encoding: str) -> None:
    expected = plain(load(write(tmp_path / "a.csv", ["ja", "nein"] * 5, ["schön 😀", "日本"] * 5)))
    rows = [("schön 😀", "ja"), ("日本", "nein")] * 5
    contents = {
        "b.csv": "text;label\r\n" + "".join(f"{x};{y}\r\n" for x, y in rows),
        "b.tsv": "sep=\t\ntext\tlabel\n" + "".join(f"{x}\t{y}\n" for x, y in rows),
        "b.jsonl": "".join(json.dumps({"text": x, "label": y}) + "\n" for x, y in rows),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(MARKS[encoding] + content.encode(encoding))
        assert plain(load(tmp_path / name)) == expected


def test_broken_encodings_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(
        codecs.BOM_UTF16_LE + "text,label\na,1\n".encode("utf-16-le") + b"\x00\xd8x\x00"
    )
    assert "is not UTF-16: line 3" in message(path)
    path.write_bytes("text,label\na,1\n".encode("utf-16-le"))
    assert "UTF-16 without a byte-order mark" in message(path)
    path.write_bytes(b"text,label\nfine,1\n\xfcber,0\n")
    assert "is not UTF-8: line 3 holds the byte 0xfc. Save the file as UTF-8." in message(path)


def test_a_column_of_numbers_is_no_column_of_classes(tmp_path: Path) -> None:
    """The message names twenty of them, not all."""
    rows = "".join(f"text {i} of them,id{i}\n" for i in range(300))
    (tmp_path / "a.csv").write_text("text,label\n" + rows)
    said = message(tmp_path / "a.csv")
    assert "Most rows are the only one of their class: are these labels" in said
    assert len(said) < 700
