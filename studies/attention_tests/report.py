"""Tables and plots from what was found: `python -m studies.attention_tests.report OUT`."""

from __future__ import annotations

import sys
from pathlib import Path

from studies.attention_tests.plots import plot_all
from studies.attention_tests.tables import write_tables
from studies.jobs import read_rows


def write_report(file: Path, out: Path) -> None:
    """Into `out`: tables.md, pattern.md, attefa.md, ours.md; adversarial, permutation, ours.png."""
    rows = read_rows(file)
    write_tables(rows, out)
    plot_all(rows, out)


if __name__ == "__main__":
    write_report(Path(sys.argv[1]) / "figures.jsonl", Path(sys.argv[1]))
