"""The study of explainers: what it measures of a run, and its table."""

from pathlib import Path

import numpy as np
import pytest

from afa_ray.data.packed import PackedTexts
from studies.explainers import compare
from studies.explainers.tables import tables
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
        assert -1 <= row["tau"] <= 1
    (own,) = compare.measured(Path("runs/tiny"), ["leave_one_out"], 3)
    assert own["tau"] == pytest.approx(1)


def test_a_table_has_the_most_comprehensive_method_first_with_intervals_over_seeds() -> None:
    case = {"model": "m", "set": "s", "form": "plain", "AUROC": None, "average precision": None,
            "sufficiency": 0.5, "deletion area": 0.25, "tau": None,
            "seconds a text": 0.125}  # fmt: skip
    rows = [
        case | {"method": "low", "comprehensiveness": 0.1, "seed": 0},
        case | {"method": "low", "comprehensiveness": 0.2, "seed": 1},
        {"model": "m", "set": "s", "form": "plain", "method": "none", "refused": "no", "seed": 0},
        case | {"method": "high", "comprehensiveness": 0.9, "seed": 0},
    ]
    lines = tables(rows).splitlines()
    assert lines[0] == "### m, s, plain; seeds 0, 1"
    assert lines[4:6] == [
        "| high | 0.900 | 0.500 | 0.250 |  |  |  | 0.125 |",
        "| low | 0.150 ± 0.635 | 0.500 ± 0.000 | 0.250 ± 0.000 |  |  |  | 0.125 |",
    ]  # t(.975, 1 degree of freedom) = 12.706, times .0707 / sqrt 2


def test_runs_are_found_by_what_they_are(tmp_path: Path) -> None:
    run = tmp_path / "some" / "run"
    (run / "model").mkdir(parents=True)
    (run / "result.json").write_text("{}")
    (tmp_path / "failed").mkdir()
    (tmp_path / "failed" / "config.yaml").write_text("")
    (run / "config.yaml").write_text("data: {name: reviews}\nafa: {lambda_adv: 0}\n")
    assert compare.finished([tmp_path]) == [run]
    assert compare.about_run(run) == {
        "run": "single layer reviews plain 0", "model": "single layer", "set": "reviews",
        "form": "plain", "seed": 0,
    }  # fmt: skip
