"""What a result cannot be trusted for is said before training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from afa_ray.config import Settings
from afa_ray.data.cautions import split_cautions
from afa_ray.data.corpus import Corpus, prepare_corpus
from afa_ray.data.texts import Texts
from afa_ray.dotted import override

WORDS = ["soup", "table", "staff", "room", "visit", "night"]


def rows(first: int, count: int) -> list[tuple[str, str]]:
    """Different texts of words that all splits share."""
    return [
        (" ".join(WORDS[int(digit)] for digit in np.base_repr(number + 6**5, 6)), "ab"[number % 2])
        for number in range(first, first + count)
    ]


def prepared(folder: Path, values: dict | None = None, **files: list[tuple[str, str]]) -> Corpus:
    settings = {"data.name": "own", "target.word2vec": False} | (values or {})
    for part, table in files.items():
        path = folder / f"{part}.csv"
        path.write_text("text,label\n" + "".join(f"{x},{y}\n" for x, y in table))
        settings[f"data.{part}_file"] = str(path)
    return prepare_corpus(override(Settings(), settings))


def test_nothing_is_said_of_good_splits(tmp_path: Path) -> None:
    corpus = prepared(tmp_path, train=rows(0, 100), validation=rows(200, 20), test=rows(300, 20))
    assert corpus.notes == ()


@pytest.mark.parametrize("part", ["validation", "test"])
def test_texts_of_one_class(tmp_path: Path, part: str) -> None:
    splits = {"validation": rows(200, 20), "test": rows(300, 20)}
    splits[part] = [row for row in splits[part] if row[1] == "a"]
    (note,) = prepared(tmp_path, train=rows(0, 100), **splits).notes
    assert note.startswith(f"all {part} texts are of one class (a): the accuracy that ")


def test_a_class_that_a_split_lacks() -> None:
    train = Texts(["a", "b", "c"], np.arange(3))
    test = Texts(["d", "e"], np.array([0, 2]))
    (note,) = split_cautions({"train": train, "test": test}, ["x", "y", "z"])
    assert note.startswith("no test text is of class 'y'")


def test_test_texts_that_were_trained_on_are_counted(tmp_path: Path) -> None:
    """Those held out of the training file for validation, too: the best epoch is chosen by them."""
    repeated = [(f"  {text.replace(' ', '  ')} ", label) for text, label in rows(0, 30)]
    files = {"train": rows(0, 100), "test": repeated + rows(300, 10)}
    (note,) = prepared(tmp_path, **files).notes
    assert note.startswith("30 of 40 test texts (75.0%) are also training or validation texts")
    unread = prepared(tmp_path, {"data.evaluate_on": "validation"}, **files)
    assert not any("also training" in note for note in unread.notes)


def test_texts_with_several_classes_are_told(tmp_path: Path) -> None:
    train = rows(0, 100) + [(text, "b" if label == "a" else "a") for text, label in rows(0, 3)]
    (note,) = prepared(tmp_path, train=train, validation=rows(200, 20), test=rows(300, 20)).notes
    assert note.startswith("4.2% of all texts stand there with another class, too")  # 6 of 143


def test_repeats_in_one_file_are_found_in_what_is_held_out(tmp_path: Path) -> None:
    notes = prepared(tmp_path, train=rows(0, 50) * 2).notes
    assert any("test texts" in note and "are also training" in note for note in notes)
    assert any("validation texts" in note and "are also training texts" in note for note in notes)


def test_a_vocabulary_that_lacks_many_words_is_named_with_their_share(tmp_path: Path) -> None:
    """Half the words of each test text are new, a third in validation."""
    strange = [(f"soup new{i}", "ab"[i % 2]) for i in range(20)]
    some = [(f"soup table other{i}", "ab"[i % 2]) for i in range(20)]
    corpus = prepared(tmp_path, train=rows(0, 100), validation=some, test=strange)
    (note,) = corpus.notes
    assert (
        "tokens that the vocabulary lacks, all read as one [UNK]: 33% of validation, 50% of test"
        in note
    )
    few = [(f"{text} soup soup soup soup new", label) for text, label in rows(300, 20)]
    full = prepared(tmp_path, {"data.vocab_size": 8}, train=rows(0, 100), test=rows(400, 9))
    assert "of train, " in full.notes[0]
    assert "a larger data.vocab_size helps" in full.notes[0]
    good = prepared(tmp_path, train=rows(0, 100), validation=few, test=rows(400, 9))
    assert good.notes == ()  # 1 in 11


def test_texts_without_a_token_are_counted(tmp_path: Path) -> None:
    """A sign that stands for what could not be decoded is no token of the single layer."""
    test = [*rows(300, 8), ("\ufffd", "a"), ("\ufffd \ufffd", "b")]
    notes = prepared(tmp_path, train=rows(0, 100), validation=rows(200, 9), test=test).notes
    assert notes == ("texts of which the tokenizer makes no token: 2 of 10 test",)
