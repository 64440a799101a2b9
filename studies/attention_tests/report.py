"""Tables and plots from what was found: `python -m studies.attention_tests.report OUT`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from studies.attention_tests.plots import plot_all
from studies.attention_tests.tables import write_tables


def write_report(file: Path, out: Path) -> None:
    """Into `out`: tables.md, pattern.md, attefa.md, ours.md; adversarial, permutation, ours.png."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    write_tables(rows, out)
    plot_all(rows, out)


if __name__ == "__main__":
    write_report(Path(sys.argv[1]) / "figures.jsonl", Path(sys.argv[1]))
