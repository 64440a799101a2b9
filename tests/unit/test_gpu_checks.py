"""`python -m afa_ray.benchmark.gpu`: its rows, its tables and its arithmetic."""

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from afa_ray.benchmark.families import tiny
from afa_ray.benchmark.gpu.__main__ import main
from afa_ray.benchmark.gpu.checks import Check, Found, Row, begin_part, end_part, run_check, table
from afa_ray.benchmark.gpu.large import flops_a_token
from afa_ray.benchmark.gpu.same import largest_difference
from afa_ray.models.pretrained import PretrainedTarget


def good() -> Found:
    return Found({"ms": 1234.5, "n": 2000, "share": 0.12345, "note": "kept"}, True)


def bad() -> Found:
    raise RuntimeError("CUDA error: out of order\nand much more")


def slow() -> Found:
    time.sleep(60)
    return Found({})


def checks() -> Iterator[Check]:
    yield "good", good
    yield "bad", bad
    yield "not a number", lambda: Found({"loss": float("nan")}, True)
    yield "no bar", lambda: Found({"ms": 1.0})


def run_part(checks: Callable[[], Iterable[Check]], folder: Path, limit: int) -> list[Row]:
    return end_part("part", begin_part("part", checks, folder, 1), folder, limit)


def test_what_fails_is_a_row_and_the_rest_goes_on(tmp_path: Path) -> None:
    rows = run_part(checks, tmp_path, 60)
    assert [row.what for row in rows] == ["good", "bad", "not a number", "no bar"]
    assert [row.passed for row in rows] == [True, False, False, None]
    assert rows[1].reason == "RuntimeError: CUDA error: out of order"
    assert rows[0].figures == good().figures


def test_a_part_that_takes_too_long_keeps_its_rows(tmp_path: Path) -> None:
    rows = run_part(lambda: [("good", good), ("slow", slow)], tmp_path, 1)
    assert [(row.what, row.passed) for row in rows] == [("good", True), ("the rest", False)]
    assert rows[1].reason == "not done within 1 s"


def test_a_part_that_dies_is_a_row(tmp_path: Path) -> None:
    rows = run_part(lambda: [("good", good), ("dies", lambda: exit(3))], tmp_path, 60)
    assert [(row.what, row.reason) for row in rows[1:]] == [("the rest", "ended with status 3")]


def test_table_by_hand() -> None:
    rows = [run_check("a", "one", good), Row("a", "two", {"ms": 1.0}, False, "bar missed")]
    assert table(rows).splitlines() == [
        "### a",
        "",
        "|  | ms | n | share | note |  |",
        "|---|---|---|---|---|---|",
        "| one | 1,234 | 2,000 | 0.1235 | kept | ok |",
        "| two | 1 |  |  |  | **bar missed** |",
    ]


def test_the_difference_is_that_of_the_worst_parameter() -> None:
    reference = {"a": torch.tensor([3.0, 4.0]), "b": torch.tensor([0.0])}
    found = {"a": torch.tensor([3.0, 4.5]), "b": torch.tensor([0.001])}
    assert largest_difference(found, reference) == pytest.approx(0.2)  # .001 / (.001 * 5)
    found["b"][0] = 0.0
    assert largest_difference(found, reference) == pytest.approx(0.1)


def test_flops_by_hand() -> None:
    config = BertConfig(
        vocab_size=30, hidden_size=8, intermediate_size=16, num_hidden_layers=2,
        num_attention_heads=2, pad_token_id=0,
    )  # fmt: skip
    target = PretrainedTarget(BertForSequenceClassification(config))
    weights = 2 * (4 * 8 * 8 + 2 * 8 * 16) + 8 * 8 + 8 * 2  # layers, pooler, classifier
    assert flops_a_token(target, 10) == 6 * weights + 3 * (4 * 10 * 8 * 2)
    assert flops_a_token(PretrainedTarget(tiny("llama")), 10) % 3 == 0  # 6 n + 3 attention


def test_mistakes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--benchmark.parts", "speed,theirs"]) == 2
    assert "'theirs' is none; there are same, replicas" in capsys.readouterr().err
