"""Data by name and from files: what is read, and what the user is told when it cannot be."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from afa_ray.data.named import letters
from afa_ray.data.sources import DATASET_NAMES
from afa_ray.data.splits import stratified_split
from afa_ray.data.texts import RawCorpus
from afa_ray.errors import UserError
from tests.conftest import plain, raw_corpus, rows_of

ROWS = [("it works", "yes"), ("it broke", "no")] * 10


def write_csv(path: Path, rows: list[tuple[str, str]] = ROWS) -> str:
    lines = [f"{text},{label}" for text, label in rows]
    path.write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
    return str(path)


def write_parquet(path: Path, **columns: list) -> str:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return str(path)


def message(*args, **kwargs) -> str:
    """The message of the UserError that load_raw raises."""
    with pytest.raises(UserError) as caught:
        raw_corpus(*args, **{"seed": 0, **kwargs})
    return str(caught.value)


def load_file(path: Path | str, **kwargs) -> RawCorpus:
    return raw_corpus("mine", seed=0, train_file=str(path), **kwargs)


# --- public sets ---------------------------------------------------------------------------------

COUNTS = {
    # name: (train, validation, test), test rows by label
    "ag_news": ((57_017, None, 7_600), [1_900] * 4),
    "imdb": ((25_000, None, 25_000), [12_500, 12_500]),
    "sst2_sentences": ((6_920, 872, 1_821), [912, 909]),
    "http_params": ((20_712, None, 10_355), [6_434, 3_921]),
    "hatexplain": ((15_383, 1_922, 1_924), [782, 548, 594]),
    "fair_rationales": ((6_741, 846, 261), [122, 139]),
}


def sizes(corpus: RawCorpus) -> tuple[int, int | None, int]:
    validation = None if corpus.validation is None else len(corpus.validation)
    return len(corpus.train), validation, len(corpus.test)


def load_public(name: str, data_dir: Path, *, seed: int = 0, **kwargs) -> RawCorpus:
    if not (data_dir / name).is_dir():
        pytest.skip(f"no folder {name} in {data_dir}")
    return raw_corpus(name, seed=seed, dir=str(data_dir), **kwargs)


@pytest.mark.parametrize("name", COUNTS)
def test_sets_with_fixed_splits_have_the_published_counts(name, data_dir):
    corpus = load_public(name, data_dir)
    expected, by_label = COUNTS[name]
    assert sizes(corpus) == expected
    assert np.bincount(corpus.test.labels).tolist() == by_label


def test_ag_news_says_that_train_is_a_subset(data_dir):
    corpus = load_public("ag_news", data_dir)
    assert corpus.label_names == ["World", "Sports", "Business", "Sci/Tech"]
    assert any("57,017 of the 120,000 official training rows" in note for note in corpus.notes)


def test_sst2_official_tests_on_the_glue_validation_split(data_dir):
    corpus = load_public("sst2", data_dir, protocol="official")
    assert sizes(corpus) == (67_349, None, 872)
    assert np.bincount(corpus.test.labels).tolist() == [428, 444]


def test_sst2_random_holds_out_a_tenth_of_the_phrases_and_is_the_default(data_dir):
    corpus = load_public("sst2", data_dir)
    assert sizes(corpus) == (60_614, None, 6_735)
    assert (corpus.test.labels == 0).sum() == round(29_780 / 10)
    assert plain(corpus) == plain(load_public("sst2", data_dir, protocol="random"))
    assert rows_of(corpus.test) != rows_of(load_public("sst2", data_dir, seed=1).test)


def test_sms_spam_drops_repeats_before_it_splits(data_dir):
    corpus = load_public("sms_spam", data_dir)
    texts = corpus.train.texts + corpus.test.texts
    assert len(set(texts)) == len(texts) == 5_574 - 414
    assert all(text == text.strip() for text in texts)
    assert len(corpus.test) == 1_032
    assert "414 repeated messages were dropped; 5,160 are left." in corpus.notes


def test_yelp_hat_joins_both_files_and_marks_some_words(data_dir):
    corpus = load_public("yelp_hat", data_dir)
    assert sizes(corpus) == (3_592, None, 898)  # of 1,545 + 2,945
    labels = np.concatenate([corpus.train.labels, corpus.test.labels])
    assert Counter(labels.tolist()) == {0: 762 + 1_433, 1: 783 + 1_512}
    marks = corpus.train.marks
    assert marks is not None
    assert 0.05 < sum(map(sum, marks)) / sum(map(len, marks)) < 0.5


def test_hatexplain_marks_are_votes_where_there_are_votes(data_dir):
    corpus = load_public("hatexplain", data_dir)
    assert corpus.test.words is not None
    assert corpus.test.texts == [" ".join(words) for words in corpus.test.words]
    assert "In train a word is marked where any annotator marked it." in corpus.notes
    assert "In test a word is marked where most annotators marked it." in corpus.notes


def test_marked_sentences_of_sst2_are_none_that_are_learned_from(data_dir):
    corpus = load_public("fair_rationales", data_dir)
    assert corpus.validation is not None
    judged = {letters(text) for text in corpus.test.texts}
    learned = [*corpus.train.texts, *corpus.validation.texts]
    assert len(judged) == 261
    assert judged.isdisjoint(map(letters, learned))
    assert {letters(text) for text in load_public("sst2_sentences", data_dir).train.texts} - judged
    assert corpus.train.marks is None
    marks = corpus.test.marks
    assert marks is not None
    assert 0.25 < sum(map(sum, marks)) / sum(map(len, marks)) < 0.27
    assert any("2 marked sentences are not in sst2_sentences" in note for note in corpus.notes)


def test_yelp_words_are_marked_by_two_annotators_or_more(tmp_path):
    write_parquet(
        tmp_path / "yelp_hat" / "annotated.parquet",
        text=["a b c"] * 10,
        label=[0, 1] * 5,
        words=[["a", "b", "c"]] * 10,
        attention=[[[1, 1, 0], [1, 0, 0], [0, 1, 0]]] * 10,
    )
    corpus = raw_corpus("yelp_hat", seed=0, dir=str(tmp_path))
    assert corpus.train.marks == [[1, 1, 0]] * 8
    assert corpus.test.words == [["a", "b", "c"]] * 2


def test_full_ag_news_is_preferred_to_the_subset(tmp_path):
    for part in ("train", "train_subset", "test"):
        write_parquet(tmp_path / "ag_news" / f"{part}.parquet", text=[part] * 4, label=[0, 1, 2, 3])
    corpus = raw_corpus("ag_news", seed=0, dir=str(tmp_path))
    assert corpus.train.texts == ["train"] * 4
    assert corpus.notes == ()


def test_a_folder_without_the_set_is_named_with_what_it_holds(tmp_path):
    (tmp_path / "sst2").mkdir()
    text = message("imdb", dir=str(tmp_path))
    assert f"no folder {tmp_path / 'imdb'}" in text
    assert "holds sst2" in text
    assert "has no file train.parquet. It holds nothing" in message("sst2", dir=str(tmp_path))


def test_a_data_folder_that_does_not_exist_is_named(tmp_path, monkeypatch):
    gone = str(tmp_path / "gone")
    assert f"no folder {gone} (given as data folder)" in message("imdb", dir=gone)
    monkeypatch.setenv("AFA_DATA_DIR", gone)
    assert f"no folder {gone} (given by AFA_DATA_DIR)" in message("imdb")


def test_wrong_values_in_a_public_set_are_reported_together(tmp_path):
    write_parquet(tmp_path / "imdb" / "train.parquet", text=["a", " "], label=[0, 7])
    text = message("imdb", dir=str(tmp_path))
    assert "label in row 2 is not allowed; the first is 7. Allowed are 0 (negative), 1" in text
    assert "no text in row 2" in text


def test_the_hub_is_read_where_no_folder_has_the_set(tmp_path, monkeypatch):
    asked = []

    def load_dataset(repo, split):
        asked.append((repo, split))
        return {"sms": [f"message {i}\n" for i in range(10)] * 2, "label": [0, 1] * 10}

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    monkeypatch.setenv("AFA_DATA_DIR", str(tmp_path))
    corpus = raw_corpus("sms_spam", seed=0)
    assert asked == [("ucirvine/sms_spam", "train")]
    assert sizes(corpus) == (8, None, 2)


def test_an_unreachable_hub_names_both_ways_of_getting_the_data(monkeypatch):
    def load_dataset(repo, split):
        raise ConnectionError("offline")

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    monkeypatch.setattr("afa_ray.data.places.hub_is_away", lambda: "nobody answers")
    monkeypatch.delenv("AFA_DATA_DIR", raising=False)
    text = message("imdb")
    assert "stanfordnlp/imdb" in text
    assert "nobody answers" in text
    assert "connect to the internet" in text
    assert "AFA_DATA_DIR" in text


@pytest.mark.parametrize("name", ["http_params", "yelp_hat", "hatexplain"])
def test_sets_without_a_hub_copy_point_to_the_folder(name, monkeypatch):
    monkeypatch.delenv("AFA_DATA_DIR", raising=False)
    text = message(name)
    assert "no copy on the Hugging Face hub" in text
    assert "AFA_DATA_DIR" in text


# --- names and arguments -------------------------------------------------------------------------


def test_generated_sets_have_a_name_too(tmp_path):
    assert raw_corpus("mock-2", seed=3).name == "mock-2"
    words = tmp_path / "words.csv"
    words.write_text("text,label\nup,1\ndown,0\n")
    corpus = raw_corpus("mock-2", seed=3, lexicon_file=str(words))
    assert {w for text in corpus.test.texts for w in text.split()} == {"up", "down", "something"}


def test_an_unknown_name_is_answered_with_a_hint_and_the_list():
    text = message("agnews")
    assert "'agnews'" in text
    assert "Did you mean 'ag_news'?" in text
    assert all(name in text for name in DATASET_NAMES)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (dict(name="sst2", protocol="oficial"), ["'oficial'", "Did you mean 'official'?"]),
        (dict(name="imdb", protocol="random"), ["imdb has no protocol 'random'"]),
        (dict(name="reviews", protocol="random"), ["reviews has no protocol 'random'"]),
        (dict(name="imdb", lexicon_file="x.csv"), ["data.lexicon_file = x.csv", "imdb"]),
        (dict(name="imdb", test_file="x.csv"), ["data.test_file = x.csv", "training file"]),
        (dict(name="imdb", validation_file=""), ["data.validation_file = :", "training file"]),
        (dict(name="imdb", validation_file="x"), ["data.validation_file = x", "training file"]),
        (dict(name="m", train_file="x.csv", protocol="random"), ["data.protocol = random"]),
    ],
)
def test_arguments_without_use_are_refused(arguments, parts):
    text = message(**arguments)
    assert all(part in text for part in parts), text


# --- the user's own files ------------------------------------------------------------------------


def test_a_training_file_alone_is_split_80_to_20_with_equal_shares(tmp_path):
    corpus = load_file(write_csv(tmp_path / "train.csv"))
    assert (corpus.name, corpus.label_names) == ("mine", ["no", "yes"])
    assert sizes(corpus) == (16, None, 4)
    assert np.bincount(corpus.test.labels).tolist() == [2, 2]
    assert corpus.notes == ("No test file: 4 of 20 rows are held out as test.",)


def test_a_validation_file_is_validation_with_the_labels_of_training(tmp_path):
    train = write_csv(tmp_path / "train.csv")
    validation = write_csv(tmp_path / "validation.csv", [("", "no"), ("one", "yes"), ("two", "no")])
    corpus = load_file(train, validation_file=validation)
    assert sizes(corpus) == (16, 2, 4)
    assert corpus.validation.texts == ["one", "two"]
    assert corpus.validation.labels.tolist() == [1, 0]
    assert "validation.csv: 1 of 3 rows hold no text" in corpus.notes[0]
    assert sizes(load_file(train, validation_file=validation, test_file=validation)) == (20, 2, 2)


def test_texts_are_kept_letter_for_letter(tmp_path):
    texts = ["NA", "null", " nan ", '"a, b"\nc', "007", "1.0", "None", "été\u2028x"]
    path = tmp_path / "train.csv"
    quoted = ['"' + text.replace('"', '""') + '"' for text in texts]
    rows = [f"{i % 2},{text}" for i, text in enumerate(quoted)]
    path.write_bytes(("\ufeffkind,body\r\n" + "\r\n".join(rows)).encode())
    corpus = load_file(path, test_file=str(path), text_column="body", label_column="kind")
    assert corpus.train.texts == texts
    assert rows_of(corpus.train) == rows_of(corpus.test)


def test_all_formats_give_the_same_corpus(tmp_path):
    texts, labels = zip(*ROWS, strict=True)
    csv = write_csv(tmp_path / "a.csv")
    (tmp_path / "a.tsv").write_text("label\ttext\n" + "".join(f"{y}\t{x}\n" for x, y in ROWS))
    lines = "".join(json.dumps({"text": x, "label": y}) + "\n" for x, y in ROWS)
    for suffix in ("jsonl", "json", "ndjson"):
        (tmp_path / f"a.{suffix}").write_text(lines)
    write_parquet(tmp_path / "a.parquet", text=list(texts), label=list(labels))
    expected = plain(load_file(csv))
    for suffix in ("tsv", "jsonl", "json", "ndjson", "parquet"):
        assert plain(load_file(tmp_path / f"a.{suffix}")) == expected


@pytest.mark.parametrize(
    ("labels", "numbers", "names"),
    [
        ([10, 9, -1], [2, 1, 0], ["-1", "9", "10"]),
        ([True, False, True], [1, 0, 1], ["false", "true"]),
        (["b", "a", "10"], [2, 1, 0], ["10", "a", "b"]),
        ([2.0, 1.0, 2.0], [1, 0, 1], ["1", "2"]),
    ],
)
def test_label_names_are_sorted_and_labels_index_them(tmp_path, labels, numbers, names):
    path = write_parquet(tmp_path / "a.parquet", text=["x"] * 3, label=labels)
    corpus = load_file(path, test_file=path)
    assert corpus.label_names == names
    assert corpus.train.labels.tolist() == numbers


def test_numbers_in_a_csv_are_labels_in_order_of_size(tmp_path):
    rows = [(f"t{i}", str(i % 11)) for i in range(110)]
    corpus = load_file(write_csv(tmp_path / "a.csv", rows))
    assert corpus.label_names == [str(i) for i in range(11)]


def test_rows_without_text_are_dropped_and_noted(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("", "yes"), *ROWS, ("  ", "")])
    corpus = load_file(path, test_file=path)
    assert len(corpus.train) == 20
    assert corpus.notes[0] == "a.csv: 2 of 22 rows hold no text and were dropped (rows 1, 22)."


@pytest.mark.parametrize(
    ("filename", "content", "parts"),
    [
        ("a.txt", "", ["unknown file type '.txt'", ".csv, .tsv, .jsonl"]),
        ("a.csv", "txet,lable\nx,y\n", ["no column 'text'", "'txet', 'lable'", "'label'"]),
        ("a.csv", "txet,label\nx,y\n", ["Did you mean 'txet'?"]),
        ("a.csv", "", ["is empty: it has no columns"]),
        ("a.csv", "text,label\n", ["no row holds a text"]),
        ("a.csv", "text,label\n ,y\n", ["no row holds a text"]),
        ("a.csv", "text,label\na,1\nb, c,0\n", ["line 3 has 3 fields, the header has 2"]),
        ("a.tsv", 'text\tlabel\n"so" good\t1\n', ["line 2 cannot be read", "double quote"]),
        ("a.csv", 'text,label\n"so,1\n', ["cannot be read"]),
        ("a.csv", "text,label\na,1\nb,1\n", ["every row has the label '1'"]),
        ("a.csv", "text,label\na,1\nb,\nc, \n", ["no label in rows 2, 3 (2 in all)"]),
        ("a.csv", b"text,label\na,1\ncaf\xe9,0\n", ["not UTF-8: line 3", "0xe9"]),
        ("a.jsonl", '{"text": "a", "label": 1}\n\n{"text": \n', ["line 3 is not valid JSON"]),
        ("a.json", '[{"text": "a", "label": 1}]', ["line 1 is a JSON list, not an object"]),
        ("a.jsonl", '{"text": "a"}\n{"text": "b"}\n', ["no column 'label'"]),
        ("a.jsonl", '{"text": "a", "label": 1}\n{"text": "b"}\n', ["no label in row 2"]),
        ("a.jsonl", '{"text": 5, "label": [1]}\n', ["does not hold a string in row 1", "neither"]),
        ("a.jsonl", '{"text": "a", "label": Infinity}\n', ["neither a string, a number"]),
        ("a.parquet", "PAR1", ["not a readable Parquet file"]),
    ],
)
def test_a_bad_file_is_refused(tmp_path, filename, content, parts):
    path = tmp_path / filename
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    text = message("mine", train_file=str(path))
    assert all(part in text for part in [str(path), *parts]), text


def test_a_missing_file_is_named_with_a_near_one(tmp_path):
    write_csv(tmp_path / "train.csv")
    text = message("mine", train_file=str(tmp_path / "trian.csv"))
    assert f"no file {tmp_path / 'trian.csv'}" in text
    assert "Did you mean 'train.csv'?" in text


def test_the_same_column_twice_is_refused(tmp_path):
    path = write_csv(tmp_path / "a.csv")
    assert "both 'text'" in message("mine", train_file=path, label_column="text")


def test_problems_of_all_files_come_together(tmp_path):
    train = write_csv(tmp_path / "train.csv", [("a", "1"), ("b", "")])
    none = {f"{part}_file": str(tmp_path / f"no {part}.csv") for part in ("validation", "test")}
    text = message("mine", train_file=train, **none)
    assert "no label in row 2" in text
    assert "no validation.csv" in text
    assert "no test.csv" in text
    assert len(text.splitlines()) == 3


@pytest.mark.parametrize("part", ["validation_file", "test_file"])
def test_an_unknown_label_is_named_with_its_row(tmp_path, part):
    train = write_csv(tmp_path / "train.csv")
    other = write_csv(tmp_path / "other.csv", [("", "no"), ("b", "yes"), ("c", "yess")])
    text = message("mine", train_file=train, **{part: other})
    assert "'yess' (first in row 3, 1 in all)" in text
    assert "'no', 'yes'" in text
    assert "Did you mean 'yes'?" in text


# --- splits --------------------------------------------------------------------------------------


def test_stratified_split_holds_out_the_same_share_of_every_class():
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    kept, held_out = (part.tolist() for part in stratified_split(labels, 0.1, seed=0))
    assert np.bincount(labels[held_out]).tolist() == [6, 3, 1]
    assert sorted(kept + held_out) == list(range(100))
    assert kept == sorted(kept)
    assert held_out == sorted(held_out)
    assert stratified_split(labels, 0.1, seed=0)[1].tolist() == held_out
    assert stratified_split(labels, 0.1, seed=1)[1].tolist() != held_out


def test_a_class_with_one_row_is_named():
    with pytest.raises(UserError, match="class 'rare' has only 1 row"):
        stratified_split(np.array([0] * 20 + [1]), 0.2, 0, ["often", "rare"])


def test_too_few_rows_for_the_classes_are_refused():
    with pytest.raises(UserError, match="1 rows on one side cannot hold one row of each of 2"):
        stratified_split(np.array([0, 0, 1, 1]), 0.2, 0)


def test_half_a_character_pair_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "cut.jsonl"
    rows = ['{"text": "fine", "label": 1}', '{"text": "cut \\ud83d", "label": 0}'] * 6
    file.write_text("\n".join(rows))
    with pytest.raises(UserError, match="half of a character pair"):
        raw_corpus("mine", seed=0, train_file=str(file))
