"""Values of settings and YAML: read alike from both, quickly, and whatever else is refused."""

import math
import time
from pathlib import Path
from typing import Any, Literal

import pytest

from afa_ray.command_line import parse
from afa_ray.errors import UserError
from afa_ray.train import main
from afa_ray.values import read_value
from afa_ray.yaml_files import YamlError, dump_yaml, load_yaml

GOOD: list[tuple[Any, Any, Any]] = [
    ("3", int, 3), ("-3", int, -3), ("09", int, 9), ("0x1F", int, 31), ("1_000", int, 1000),
    (" 3 ", int, 3), ("null", int | None, None), ("~", int | None, None), (None, str | None, None),
    ("1e3", float, 1000.0), (".5", float, 0.5), ("1.", float, 1.0), ("3", float, 3.0),
    (1e-5, float, 1e-5), (math.inf, float, math.inf), (".inf", float, math.inf),
    ("True", bool, True), ("off", bool, False), (True, bool, True), ("1:4", int | str, "1:4"),
    ("4", int | str, 4), ("null", str, "null"), (3, str, "3"), (True, str, "true"),
    ("[1]", str, "[1]"), ("", str, ""), ("a", Literal["a", "b"], "a"), ("&a x", str, "&a x"),
]  # fmt: skip
BAD: list[tuple[Any, Any]] = [
    ("3.0", int), ("1e3", int), ("true", int), ("1:30", int), ("", int), ("none", int | None),
    ("nan", float), ("inf", float), ("1:30", float), ("9" * 5000, int), ("9" * 5000, float),
    ("3", bool), ("y", bool), ("A", Literal["a"]), ([1], Literal["a"]), ([1], str), ({}, int),
    ("!!int 3", int), ("[" * 5000, float), ("\udcff", int), ("٣_", float), ("null", int),
]  # fmt: skip


@pytest.mark.parametrize(("value", "kind", "read"), GOOD)
def test_what_is_one(value: Any, kind: Any, read: Any) -> None:
    found = read_value(value, kind)
    assert found == read
    assert type(found) is type(read)


@pytest.mark.parametrize(("value", "kind"), BAD)
def test_what_is_none(value: Any, kind: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        read_value(value, kind)


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60))
ODD_YAML = {
    "1: 2": "the name 1 is no text",
    "null: 1": "the name None is no text",
    "afa: {true: 1}": "the name True is no text",
    "afa: {? [a] : 1}": "unhashable",
    "k: !!int x": "does not fit its type",
    "k: !!int": "does not fit its type",
    "k: !!float y": "does not fit its type",
    "k: !!bool z": "does not fit its type",
    "k: !!timestamp x": "!!timestamp is no type that settings have",
    "k: !!binary x": "!!binary is no type",
    "k: !!python/object/apply:os.system [ls]": "python/object/apply:os.system is no type",
    "k: !!set {a}": "!!set is no type",
    "a: &a [*a]": "an alias stands for what it is in itself",
    "a: &a {b: *a}": "an alias stands for what it is in itself",
    "a: &a\n  <<: *a": "an alias stands for what it is in itself",
    "[" * 5000: "nested more than 20 levels deep",
    "{a: " * 5000: "nested more than 20 levels deep",
    "- " * 5000: "nested more than 20 levels deep",
    "a: [" + "1, " * 20_000 + "1]": "more than 10,000 values",
    "x" * 1_000_001: "longer than 1,000,000 characters",
    BOMB: "with what aliases stand for",
    "a: 1\n---\nb: 2": "expected a single document",
    "a: \x00": "special characters",
}


@pytest.mark.parametrize("text", ODD_YAML, ids=lambda text: text[:20])
def test_yaml_that_is_refused(text: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    started = time.monotonic()
    with pytest.raises(YamlError) as refused:
        load_yaml(text)
    assert ODD_YAML[text] in str(refused.value)
    (tmp_path / "settings.yaml").write_text(text)
    assert main(["--config", str(tmp_path / "settings.yaml")]) == 2
    assert "not valid YAML" in capsys.readouterr().err
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("text", "read"),
    [("k: 09", "09"), ("k: 0x_", "0x_"), ("k: 2026-99-99", "2026-99-99"), ("k: 1:4", "1:4"),
     ("k: 2026-01-01", "2026-01-01"), ("k: 16", 16), ("k: 0x10", 16), ("k: 1.5", 1.5),
     ("k: null", None), ("k: yes", True), ("k: 1_0", 10)],
)  # fmt: skip
def test_yaml_that_is_read(text: str, read: Any) -> None:
    assert load_yaml(text) == {"k": read}


@pytest.mark.parametrize(
    "odd", ["\x85", "\u2028", "\u2029", "\n", "\r", "\t", "\ufeff", "é", "\U000dfa04"]
)
def test_yaml_that_is_written_is_read_as_it_was(odd: str) -> None:
    tree = {"name": f"a{odd}b", f"c{odd}": [odd, 1, None, True, 0.5]}
    assert load_yaml(dump_yaml(tree)) == tree


def test_aliases_are_fine_within_reason(tmp_path: Path) -> None:
    text = "train: &t {epochs: 2}\nmore: [*t, *t]\nafa: {<<: {k: 4}, num_masks: 3}"
    assert load_yaml(text)["more"] == [{"epochs": 2}] * 2
    assert load_yaml(text)["afa"] == {"k": 4, "num_masks": 3}


def test_parsing_takes_a_moment() -> None:
    given = [part for i in range(60) for part in ("--afa.k", str(1 + i))]
    parse(given)
    started = time.monotonic()
    assert parse(given).afa.k == 60
    assert time.monotonic() - started < 0.3  # it took 2 s and more


NAMES = ["あ" * 100, "x" * 5000, "a\udcffb", "x" * 101, "😀" * 51, "a\0b"]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
@pytest.mark.parametrize("setting", ["run.name", "data.name"])
def test_names(name: str, setting: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    storage = tmp_path / "runs"
    assert main(["--run.storage", str(storage), f"--{setting}", name]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"afa_ray.train: cannot run:\n  {setting} = ")
    assert len(error) < 500
    assert not storage.exists()


PATHS = ["x" * 5000, "/a/" + "x" * 256, "あ" * 86, "a/" * 2500, "b\udcff", "a\0b"]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ascii(path)[:20])
@pytest.mark.parametrize(
    "setting", ["run.storage", "data.dir", "data.train_file", "data.lexicon_file", "target.name",
                "target.vectors"],
)  # fmt: skip
def test_paths(setting: str, path: str) -> None:
    with pytest.raises(UserError) as refused:
        parse([f"--{setting}", path])
    assert str(refused.value).startswith(f"{setting} = ")
    assert len(str(refused.value)) < 500


def test_other_texts_and_numbers() -> None:
    for name, value, said in (
        ("data.text_column", "a\udcff", "no UTF-8"),
        ("mlflow.experiment", "x" * 9999, "4,000 bytes"),
        ("data.vocab_size", "9" * 30, "must be at most 2147483647"),
        ("data.split_seed", "5000000000", "must be between 0 and 4294967295"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=said):
            parse([f"--{name}", value])
