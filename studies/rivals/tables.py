"""The tables and the plot of the study, from its figures."""
from __future__ import annotations
from pathlib import Path
def write_report(file: Path, out: Path) -> None:
    pass
