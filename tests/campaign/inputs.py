"""Settings, YAML and data files as nobody writes them on purpose: drawn by hypothesis."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from afa_ray.command_line import parse
from afa_ray.config import Settings
from afa_ray.data.corpus import prepare_corpus
from afa_ray.dotted import flatten, override, to_yaml
from afa_ray.yaml_files import load_yaml
from tests.campaign.rules import refused

NAMES = sorted(flatten(Settings()))
TEXT = st.text(st.characters(), max_size=30)  # surrogates, too
VALUE = st.one_of(
    TEXT,
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(
        ["null", "~", "true", "off", "1:4", "09", "0x_", "2026-99-99", "!!int x", "&a [*a]",
         "[" * 5000, "あ" * 100, "x" * 5000, "../x", "a/b", ".x", "http://u:PW@h", "-", "", " ",
         "1e999"]
    ),
)  # fmt: skip
USUAL = [f"--{name}={value}" for name, value in flatten(Settings()).items() if value is not None]
ARGUMENT = st.one_of(
    st.sampled_from(USUAL),
    st.sampled_from(USUAL),
    st.tuples(st.sampled_from(NAMES), VALUE).map(lambda pair: f"--{pair[0]}={pair[1]}"),
    st.tuples(TEXT, VALUE).map(lambda pair: f"--{pair[0]}={pair[1]}"),
    st.sampled_from(NAMES).map(lambda name: f"--{name}"),
    TEXT,
)
STOPS = {"-h", "--help", "--print-config", "--print_config"}
ARGUMENTS = st.lists(ARGUMENT.filter(lambda word: word not in STOPS), max_size=5)

LEAF = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT)
GROUPS = sorted({name.partition(".")[0] for name in NAMES})
KEY = st.one_of(st.sampled_from([*NAMES, *GROUPS]), TEXT, st.integers(), st.none())
TREE = st.recursive(
    LEAF, lambda of: st.lists(of, max_size=3) | st.dictionaries(KEY, of, max_size=3)
)
PIECES = st.sampled_from(
    ["afa:", "k: 3", "\n", "  ", "- ", "[", "]", "{", "}", "&a", "*a", "<<:", "!!int",
     "!!timestamp", "!!python/name:os.system", "|", ">", "'", '"', "%TAG", "---", "...", "?", ":",
     "#", "\t", "\x00", "\ufeff", "2026-99-99", "09", "0x_", "null", ": 1", ", ", "あ",
     "\x85", "1e400"]
)  # fmt: skip


def settings(words: list[str]) -> bool:
    """Command lines: what is accepted can be written down, and is read again as it was."""

    def work() -> None:
        found = parse(words)
        again = dict(_leaves(load_yaml(to_yaml(found))))
        assert again == flatten(found) or any(value != value for value in again.values())

    return refused(work)


def yaml_text(text: str) -> bool:
    """A settings file of that content."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "settings.yaml"
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
        return refused(lambda: parse(["--config", str(file)]))


def _leaves(nested: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in nested.items():
        inner = isinstance(value, dict)
        found += _leaves(value, f"{prefix}{name}.") if inner else [(prefix + name, value)]
    return found


def _as_yaml(tree: Any) -> str:
    """JSON is YAML; keys that are no texts are written bare."""
    return json.dumps(tree, ensure_ascii=False) if _has_text_keys(tree) else repr(tree)


def _has_text_keys(tree: Any) -> bool:
    if isinstance(tree, dict):
        return all(isinstance(k, str) and _has_text_keys(v) for k, v in tree.items())
    return not isinstance(tree, list) or all(map(_has_text_keys, tree))


YAML = st.one_of(TREE.map(_as_yaml), st.lists(PIECES, max_size=40).map("".join), TEXT)

CELL = st.one_of(
    TEXT, st.sampled_from(["good one", "bad one", "", "NA", "1", "1.0", "nan", '"', "\r"])
)
SANE = [(f"{'good' if i % 2 else 'bad'} text number {i}", str(i % 2)) for i in range(40)]
ROWS = st.lists(st.tuples(CELL, CELL), max_size=12)
PARQUET_TYPES = st.sampled_from(
    [pa.string(), pa.int64(), pa.float64(), pa.date32(), pa.timestamp("s"), pa.binary(), pa.bool_(),
     pa.list_(pa.int8()), pa.decimal128(20, 3), pa.duration("s"), pa.null(), pa.large_string()]
)  # fmt: skip
NUMBERS = st.one_of(
    st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=8),
    st.lists(st.integers(0, 2), min_size=2, max_size=4).map(lambda some: some * 20),
)
COLUMN = st.tuples(PARQUET_TYPES, NUMBERS)


def delimited(case: tuple[str, bytes, list[tuple[str, str]]]) -> bool:
    """A CSV or TSV file."""
    suffix, tail, rows = case
    separator = "," if suffix == ".csv" else "\t"
    rows = [*(SANE if len(rows) % 2 else []), *rows]
    lines = ["text" + separator + "label", *(f"{text}{separator}{label}" for text, label in rows)]
    return _train_file(suffix, "\n".join(lines).encode("utf-8", "surrogatepass") + tail)


def json_lines(case: tuple[list[Any], bytes]) -> bool:
    """A JSON Lines file."""
    values, tail = case
    sane = [{"text": text, "label": label} for text, label in SANE] if len(values) % 2 else []
    lines = "\n".join(json.dumps(value, default=str, skipkeys=True) for value in [*sane, *values])
    return _train_file(".jsonl", lines.encode() + tail)


def parquet(case: tuple[Any, Any, bytes, int]) -> bool:
    """A Parquet file of odd types, some with a byte that was flipped."""
    first, second, flip, where = case
    length = min(len(first[1]), len(second[1]))
    try:
        columns = {
            n: _array(k, v[:length])
            for n, (k, v) in zip(("text", "label"), (first, second), strict=True)
        }
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table(columns), sink)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return True  # nobody can write that
    content = bytearray(sink.getvalue().to_pybytes())
    if flip:
        content[where % len(content)] ^= flip[0]
    return _train_file(".parquet", bytes(content))


def _array(kind: pa.DataType, values: list[int]) -> pa.Array:
    whole = pa.array(values, pa.int64())
    if pa.types.is_date32(kind):
        return whole.cast(pa.int32(), safe=False).cast(kind)
    if pa.types.is_list(kind):
        return pa.array([[v % 100] for v in values], kind)
    return whole.cast(kind, safe=False) if not pa.types.is_null(kind) else pa.nulls(len(values))


def _train_file(suffix: str, content: bytes) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"train{suffix}"
        file.write_bytes(content)
        given = {"data.name": "d", "data.train_file": str(file), "target.word2vec": False,
                 "target.bag_of_words": False, "data.vocab_size": 50}  # fmt: skip
        return refused(lambda: prepare_corpus(override(Settings(), given)))


TAIL = st.one_of(st.just(b""), st.binary(max_size=12))
OBJECT = st.dictionaries(st.sampled_from(["text", "label", "x"]), LEAF | TREE, max_size=3)
PARTS = {
    "settings": (ARGUMENTS, settings),
    "yaml": (YAML, yaml_text),
    "csv, tsv": (st.tuples(st.sampled_from([".csv", ".tsv"]), TAIL, ROWS), delimited),
    "json lines": (st.tuples(st.lists(OBJECT | TREE, max_size=10), TAIL), json_lines),
    "parquet": (
        st.tuples(COLUMN, COLUMN, st.binary(max_size=1), st.integers(0, 10**6)),
        parquet,
    ),
}
