"""The study of faithfulness: its own measures, and a tiny job."""

import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch

from studies.faithful.measures import calibration_error, exchanged, masked
from studies.faithful.run import measured
from studies.faithful.tables import write_report


def test_calibration_error_is_the_mean_gap_of_bins_by_their_texts() -> None:
    """Two texts of confidence .9, one of them right: |.5 - .9|; one of .55, right: |1 - .55|."""
    confidence, right = np.array([0.9, 0.9, 0.55]), np.array([True, False, True])
    assert calibration_error(confidence, right) == pytest.approx((2 * 0.4 + 0.45) / 3)
    assert calibration_error(np.array([1.0]), np.array([True])) == 0  # the last bin has its end


def test_words_are_taken_away_where_it_is_said_alone() -> None:
    tokens = torch.tensor([[2, 7, 8, 3]])
    which = torch.tensor([[False, True, False, False]])
    model = torch.nn.Linear(1, 1)  # is not asked
    assert masked(4, model, tokens, which).tolist() == [[2, 4, 8, 3]]  # type: ignore[arg-type]
    pool = torch.tensor([9])
    assert exchanged(pool, model, tokens, which).tolist() == [[2, 9, 8, 3]]  # type: ignore[arg-type]


def test_a_tiny_job(tmp_path: Path) -> None:
    options = Namespace(model="single", rows=60, texts=6, forms=["plain"])
    methods = ["attention", "cp_lrp", "attn_lrp", "ig"]
    rows = list(measured(options, "tickets", 0, {"plain": methods}))
    assert [row["method"] for row in rows] == methods
    assert "absorbed" in rows[2]["refused"]
    for row in (rows[0], rows[1], rows[3]):
        assert len(row["deleted"]) == len(row["exchanged"]) == 2
        assert 0 <= row["calibration_error"] <= 1
        assert row["random_deletion"] > 0.2
        assert row["texts"] == 6
    file = tmp_path / "figures.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_report(file, tmp_path)
    assert "## single" in (tmp_path / "table.md").read_text()
    assert (tmp_path / "cost-single.png").exists()
