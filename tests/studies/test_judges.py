"""The trial of judges: a twin's loss by hand, and tiny jobs."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from afa_ray.data.parts import Part
from afa_ray.models import TargetJudge
from studies.faithful.judges.run import Job, measured
from studies.faithful.judges.tables import write_report
from studies.faithful.judges.twin import alternation, classes

P = {5: (0.8, 0.2), 6: (0.3, 0.7)}  # probabilities of the two classes, by the first token


def reader(tokens: Tensor, attention_mask: Tensor) -> SimpleNamespace:
    return SimpleNamespace(logits=torch.tensor([P[int(row[0])] for row in tokens]).log())


def part_of(tokens: int, partners: int, label: int) -> Part:
    ids, others = torch.tensor([[tokens]]), torch.tensor([[partners]])
    return Part(0, ids, torch.tensor([label]), torch.tensor([0]), others, None, 1.0, None, None)


def test_a_twins_loss_is_a_discriminators() -> None:
    """A text of class 1, masked to what has p(1) = .7, against one of class 0 with p(1) = .2."""
    reader.config = SimpleNamespace(pad_token_id=0)  # type: ignore[attr-defined]
    judge = TargetJudge(reader)  # type: ignore[arg-type]
    part, masked = part_of(6, 5, 1), torch.tensor([[6]])
    loss = alternation(judge, part, masked)
    assert float(loss) == pytest.approx(-math.log(1 - 0.2) - math.log(1 - (1 - 0.7)), abs=1e-6)
    of_class = classes(judge, part, torch.tensor([[5]]))
    assert float(of_class) == pytest.approx((-math.log(0.7) - math.log(0.2)) / 2, abs=1e-6)


def test_tiny_jobs(tmp_path: Path) -> None:
    jobs = [Job("tickets", 0, form) for form in ("twin, three updates", "average")]
    short = ("--train.max_steps", "4")
    rows = [row for job in jobs for row in measured(job, rows=60, texts=6, more=short)]
    assert [row["form"] for row in rows] == [job.form for job in jobs]
    assert all(row["accuracy"] > 0.2 and row["steps"] == 8 for row in rows)  # refitted, too
    file = tmp_path / "figures.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_report(file, tmp_path)
    assert "## area" in (tmp_path / "table.md").read_text()
