"""The trial of judges: tiny jobs, and a moving average by hand."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from studies.faithful.judges.run import FORMS, Job, measured
from studies.faithful.judges.tables import write_report
from studies.faithful.judges.twin import Average


def test_an_average_moves_towards_the_target() -> None:
    """From 1 to 2 by a tenth of the way, and by a tenth of what is left."""
    target, twin = nn.Linear(1, 1), nn.Linear(1, 1)
    for module, value in ((target, 2.0), (twin, 1.0)):
        nn.init.constant_(module.weight, value)
    judge = Average(target, twin, 0.9)  # type: ignore[arg-type]
    judge.learn(None, (), ())
    judge.learn(None, (), ())
    assert twin.weight.item() == pytest.approx(1 + 0.1 + 0.09)
    assert target.weight.item() == 2
    assert torch.equal(judge.network.weight, twin.weight)


def test_tiny_jobs(tmp_path: Path) -> None:
    forms = [form for form in FORMS if "," in form or form == "average"]
    short = ("--train.max_steps", "4")
    rows = [
        row for form in forms for row in measured(Job("tickets", 0, form), 60, texts=6, more=short)
    ]
    assert [row["form"] for row in rows] == forms
    assert all(row["accuracy"] > 0.2 and row["steps"] == 8 for row in rows)  # refitted, too
    file = tmp_path / "figures.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_report(file, tmp_path)
    assert "## area" in (tmp_path / "table.md").read_text()
