"""The study of small files: what is missing is measured, whatever fails beside it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from studies.jobs import read_rows
from studies.small_files.run import main


def test_a_file_that_fails_does_not_end_the_study(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is what was found before measured again."""
    given = ["run", str(tmp_path), "--rows", "60", "--seeds", "1", "--methods", "plain", "--apart"]
    monkeypatch.setenv("AFA_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [*given, "--data", "no-such-set,tickets"])
    main()
    (row,) = read_rows(tmp_path / "figures.jsonl")
    assert (row["data"], row["rows"], row["seed"], row["size"]) == ("tickets", 60, 0, 60)
    assert 0 <= row["methods"]["plain"]["accuracy"] <= 1
    assert "| tickets | 60 |" in (tmp_path / "table.md").read_text()
    told = capfd.readouterr().out
    assert "failed: no-such-set 60, seed 0: plain" in told
    assert "/2 tickets 60, seed 0: plain (" in told
    monkeypatch.setattr(sys, "argv", [*given, "--data", "tickets"])
    main()
    assert len(read_rows(tmp_path / "figures.jsonl")) == 1
