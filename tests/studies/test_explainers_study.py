"""The study of explainers: what it measures of a run, and its table."""

from pathlib import Path

import numpy as np
import pytest

from afa_ray.data.packed import PackedTexts
from studies.explainers import compare
from tests.unit.test_explainers import batch, model_named


def test_every_method_of_a_run_is_a_row_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    ids, mask = batch("one hop")
    offsets = np.concatenate([[0], mask.sum(1).numpy().cumsum()])
    tokens = ids[mask.bool()].numpy().astype(np.int32)
    marks = (tokens % 2).astype(np.uint8)
    texts = PackedTexts(tokens, offsets, np.zeros(4, np.int64), marks, 0)
    monkeypatch.setattr(compare, "opened", lambda run: (model_named("one hop"), texts, (0,)))
    rows = list(compare.measured(Path("runs/tiny"), ["random", "rollout", "gradient_norm"], 3))
    assert [row["method"] for row in rows] == ["random", "rollout", "gradient_norm"]
    assert rows[1]["refused"].startswith("rollout: a single layer")
    for row in (rows[0], rows[2]):
        assert row["texts"] == 3
        assert 0 <= row["AUROC"] <= 1
        assert row["seconds a text"] > 0
    assert list(compare.measured(Path("runs/tiny"), [], 3)) == []


def test_the_table_has_the_most_comprehensive_method_first() -> None:
    row = {"run": "a", "AUROC": None, "average precision": None, "sufficiency": 0.5,
           "deletion area": 0.25, "seconds a text": 0.125}  # fmt: skip
    lines = compare.table(
        [
            row | {"method": "low", "comprehensiveness": 0.1},
            {"run": "a", "method": "none", "refused": "none: cannot"},
            row | {"method": "high", "comprehensiveness": 0.9},
        ]
    ).splitlines()
    assert lines[2:] == [
        "| a | high |  |  | 0.900 | 0.500 | 0.250 | 0.125 |",
        "| a | low |  |  | 0.100 | 0.500 | 0.250 | 0.125 |",
    ]
