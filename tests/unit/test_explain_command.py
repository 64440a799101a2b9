"""`python -m afa_ray.explain`: terminal, JSON Lines, CSV and page; what is wrong is said before."""

import csv
import errno
import json
import re
import tracemalloc
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import afa_ray
from afa_ray.data.streamed import stream_columns
from afa_ray.errors import UserError
from afa_ray.explain import main
from tests.unit.test_classifier import TEXTS, save_single_layer


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_single_layer(tmp_path_factory.mktemp("runs") / "tickets" / "model")


SPREAD = ["--file", "{csv}", "--text_column", "message", "--explain.workers", "2", "--out"]


def table(path: Path, texts: list[str]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "message"], *enumerate(texts)])
    return path


def test_a_text_in_the_terminal(model: str, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    text = "superb \x1b[31m <b>day</b>"
    assert main([model, "--text", text, "--methods", "attention,leave_one_out"]) == 0
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    found = afa_ray.load(model).explain([text], ["attention", "leave_one_out"])[0]
    assert printed.startswith(f"{found.label} {found.probability:.3f}".replace(" 0.", " ."))
    for word, score in zip(found.words, found.scores["attention"], strict=True):
        shown = "".join(c if c.isprintable() else "\ufffd" for c in word)
        assert f"{shown} {score:.2f}".replace(" 0.", " .") in printed.replace("\n  ", " ")


def test_colours_where_there_can_be(model: str, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert main([model, "--text", "superb day"]) == 0
    assert "\x1b[" in capsys.readouterr().out


@pytest.mark.parametrize("batch", ["1", "3", "32"])
def test_rows_of_a_file(model: str, tmp_path: Path, capsys, batch: str) -> None:
    """As many as hold a text, in order, with their number in the file; whatever the batch."""
    texts = [TEXTS[0], "", *TEXTS[1:5], "  ", 'quoted "lovely", =1+1\nsecond line']
    file = table(tmp_path / "tickets.csv", texts)
    kept = [(i, t) for i, t in enumerate(texts, 1) if t.strip()]
    expected = afa_ray.load(model).explain([t for _, t in kept], ["attention", "gradient_norm"])
    common = [model, "--file", str(file), "--text_column", "message", "--batch_size", batch,
              "--methods", "attention, gradient_norm"]  # fmt: skip
    assert main([*common, "--out", str(tmp_path / "rows.jsonl")]) == 0
    assert "rows 2, 7" in capsys.readouterr().err
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").open(encoding="utf-8")]
    assert [(line["row"], line["text"]) for line in lines] == kept
    for line, each in zip(lines, expected, strict=True):
        assert line["words"] == each.words
        for name in ("attention", "gradient_norm"):
            assert line["scores"][name] == pytest.approx(each.scores[name], rel=1e-3, abs=1e-6)
    assert main([*common, "--out", str(tmp_path / "rows.csv")]) == 0
    with (tmp_path / "rows.csv").open(newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    assert [(int(r["row"]), r["text"], r["label"]) for r in rows] == [
        (*k, e.label) for k, e in zip(kept, expected, strict=True)
    ]
    assert [w for w, _ in json.loads(rows[-1]["attention"])] == expected[-1].words
    assert main([*common, "--out", str(tmp_path / "rows.parquet")]) == 0
    columns = pq.read_table(tmp_path / "rows.parquet").to_pydict()
    assert list(zip(columns["row"], columns["text"], strict=True)) == kept
    assert columns["label"] == [each.label for each in expected]
    assert columns["words"] == [each.words for each in expected]
    for found, each in zip(columns["gradient_norm"], expected, strict=True):
        assert found == pytest.approx(each.scores["gradient_norm"], rel=1e-3, abs=1e-6)
    assert main([*common, "--out", str(tmp_path / "page.html")]) == 0
    assert (tmp_path / "page.html").read_text(encoding="utf-8").count("<article") == len(kept)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--text", "a", "--methods", "atention"], "did you mean attention?"),
        (["--text", " "], "text 1 is empty"),
        (["--text", "a", "--target", "fine"], "there is no such class; give one of bad, good"),
        (["--text", "a", "--unit", "letter"], "unit: invalid choice: 'letter'"),
        (["--text", "a", "--batch_size", "0"], "batch_size = 0: must be at least 1"),
        (["--text", "a", "--fil", "b"], "--fil: there is no such option; did you mean --file?"),
        ([], "one of them"),
        (["--text", "a", "--file", "{csv}"], "one of them"),
        (["--file", "{csv}"], "has no column 'text'. Its columns are 'id', 'message'"),
        (["--file", "{csv}", "--text_column", "mesage"], "Did you mean 'message'?"),
        (["--file", "{folder}/none.csv"], "There is no file"),
        (["--file", "{folder}/empty.csv"], "the column 'text' holds no text"),
        (["--file", "{folder}/numbers.jsonl"], "row 2 of the column 'text' holds 3, not a text"),
        (["--text", "a", "--out", "{folder}/rows.txt"], "allowed are .html, .jsonl, .csv"),
        (["--text", "a", "--out", "{folder}/no/rows.csv"], "there is no folder"),
        (["--text", "a", "--out", "{folder}"], "is a folder; give the path of a file"),
        (["--file", "{csv}", "--text_column", "message", "--out", "{csv}"], "is the file with the"),
        (["--text", "a", "--query", "b", "--query", "c"], "query: 2 for 1 texts; give one for"),
        (["--text", "a", "--query", " "], "query 1 is empty; give at least one word"),
        (["--text", "\u200b"], "text 1 is empty; give at least one word"),
        (["--text", "a\ud83d"], "text 1 is no Unicode; mend it"),
        (["--file", "{folder}/half.jsonl"], "row 2 of the column 'text' has half of a character"),
        (["--text", "a", "--query", "b"], "reads texts alone; leave it out"),
        (["--text", "a", "--query_column", "b"], "query_column = b: is of a --file; give --query"),
        (["--file", "{csv}", "--query", "b"], "query: is for --text; of a --file name the column"),
        ([*SPREAD, "{folder}/o", "--query_column", "id"], "query_column = id: "),
        (["another", "--text", "a"], "one model must be given, not 2"),
        (["--text", "a", "--out", "{folder}/o", "--explain.workers", "2"], "give --file FILE and"),
        (["--file", "{csv}", "--explain.workers", "2"], "give --file FILE and --out FOLDER"),
        (["--file", "{csv}", "--explain.workers", "two"], "explain.workers: invalid int value"),
        (
            ["--file", "{csv}", "--explain.workers", "-1"],
            "workers = -1: must be at least 0",
        ),
        (["--file", "{csv}", "--explain.worker", "1"], "did you mean --explain.workers?"),
        (["--text", "a", "--nope", "1", "--batch_size", "0"], "--nope: there is no such option"),
        (["--text", "a", "--nope", "1", "--batch_size", "0"], "batch_size = 0: must be at least 1"),
        ([*SPREAD, "{folder}/o", "--explain.part_rows", "0"], "part_rows = 0: must be at least 1"),
        ([*SPREAD, "{csv}"], "is a file; with workers give a folder for Parquet files"),
        ([*SPREAD, "{csv}/o"], "cannot be made"),
        ([*SPREAD, "{folder}"], "which no explain command wrote; give an empty folder"),
        ([*SPREAD, "{folder}/o", "--target", "fine"], "there is no such class"),
        ([*SPREAD, "{folder}/o", "--text_column", "mesage"], "Did you mean 'message'?"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(
    model: str, tmp_path: Path, capsys, arguments: list[str], complaint: str
) -> None:
    file = table(tmp_path / "tickets.csv", TEXTS[:3])
    (tmp_path / "empty.csv").write_text("text\n\n")
    (tmp_path / "half.jsonl").write_text('{"text": "a"}\n{"text": "b \\ud83d"}\n')
    (tmp_path / "numbers.jsonl").write_text('{"text": "a"}\n{"text": 3}\n')
    before = {p: p.read_text() for p in tmp_path.iterdir()}
    given = [a.format(csv=file, folder=tmp_path) for a in arguments]
    assert main([model, *given]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("afa_ray.explain: cannot run:\n  ")
    assert complaint in captured.err
    assert captured.out == ""
    assert {p: p.read_text() for p in tmp_path.iterdir()} == before


def test_a_full_disk_asks_for_room(
    model: str, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another folder would be as full."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "part-00000.parquet")

    monkeypatch.setattr("afa_ray.explaining.parts.lay_out", full)
    file = table(tmp_path / "tickets.csv", TEXTS[:3])
    given = [a.format(csv=file) for a in SPREAD]
    assert main([model, *given, str(tmp_path / "rows")]) == 2
    said = capsys.readouterr().err
    assert "the disk is full ([Errno 28] No space left on device: 'part-00000.parquet')" in said
    assert "make room, and give the same command again" in said
    assert "another folder" not in said


def test_a_row_that_is_broken_far_down_leaves_what_was_there(model: str, tmp_path: Path) -> None:
    file = tmp_path / "tickets.csv"
    file.write_text("text,id\n" + "lovely day,1\n" * 2000 + "one,two,three\n")
    out = tmp_path / "rows.csv"
    out.write_text("of before")
    assert main([model, "--file", str(file), "--out", str(out)]) == 2
    assert out.read_text() == "of before"
    assert {p.name for p in tmp_path.iterdir()} == {"tickets.csv", "rows.csv"}


def test_an_interruption_leaves_what_was_there(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(afa_ray.Classifier, "explain", interrupt)
    out = tmp_path / "rows.csv"
    out.write_text("of before")
    assert main([model, "--text", "a", "--out", str(out)]) == 130
    assert f"interrupted; {out} was not written" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["rows.csv"]
    assert out.read_text() == "of before"


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("a.csv", b'text;n\r\nlovely;1\r\n"two\nlines; and";2\r\n', ["lovely", "two\nlines; and"]),
        ("a.csv", b"sep=|\ntext|n\nlovely|1\n", ["lovely"]),
        ("a.tsv", b"\xef\xbb\xbftext\tn\nlovely\t1\n\nday\t2\n", ["lovely", "day"]),
        ("a.csv", "text,n\nschön,1\n".encode("utf-16"), ["schön"]),
        ("a.jsonl", b'{"text": "a"}\n\n{"n": 1}\n{"text": "b\\u2028c"}\n', ["a", None, "b\u2028c"]),
        ("a.ndjson", '{"text": "a\u2028b"}\n{"text": "c"}'.encode(), ["a\u2028b", "c"]),
    ],
)  # fmt: skip
def test_streams_by_hand(tmp_path: Path, name: str, content: bytes, texts: list) -> None:
    (tmp_path / name).write_bytes(content)
    assert [text for (text,) in stream_columns(tmp_path / name, ["text"])] == texts


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.csv", b"text,n\na,1,2\n", "line 2 has 3 fields, the header has 2. Put double quotes"),
        ("a.csv", b"text,n\na\n", "line 2 has 1 field, the header has 2. Write the missing ones"),
        ("a.csv", b'text,n\n"a"b,1\n', "line 2 cannot be read"),
        ("a.csv", b"text,text\na,1\n", "has the column 'text' 2 times"),
        ("a.csv", b"text\na\n\xff\xff\xff", "is not UTF-8: line 3 holds the byte 0xff"),
        ("a.csv", b"t\0e\0", "begins with a zero byte"),
        ("a.jsonl", b'{"text": 1\n', "line 1 is not valid JSON"),
        ("a.jsonl", b'{"txt": "a"}\n', "has no column 'text'. Its columns are 'txt'"),
        ("a.jsonl", b"[1]\n", "line 1 is a JSON list, not an object"),
        ("a.jsonl", b'{"text": "a", "text": "b"}\n', "line 1 has the field 'text' 2 times"),
        ("a.xlsx", b"", "unknown file type '.xlsx'"),
    ],
)
def test_streams_say_what_is_wrong(
    tmp_path: Path, name: str, content: bytes, complaint: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=re.escape(complaint)):
        list(stream_columns(tmp_path / name, ["text"]))


def test_a_stream_holds_a_part_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "many.csv"
    file.write_text("text,n\n" + "a lovely day and more of it,1\n" * 100_000)
    tracemalloc.start()
    count = sum(1 for _ in stream_columns(file, ["text"]))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 100_000
    assert most < file.stat().st_size / 4
