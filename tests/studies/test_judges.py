"""The trial of judges: tiny jobs."""

import json
from pathlib import Path

from studies.faithful.judges.run import Job, measured
from studies.faithful.judges.tables import write_report


def test_tiny_jobs(tmp_path: Path) -> None:
    forms = ["twin, classes", "twin, random weights"]
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
