"""`python -m studies.evidence.imdb_films FOLDER OUT`: validation texts of films not trained on.

The reviews of a film stand together in the files, each class for itself, and the official splits
share no film. So the last tenth of each class of test becomes validation, and the rest is test.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

SHARE = 0.1


def held_out(labels: np.ndarray) -> np.ndarray:
    """(N,) bool: the last tenth of the rows of every class."""
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        held[rows[len(rows) - round(SHARE * len(rows)) :]] = True
    return held


def main(folder: Path, out: Path) -> None:
    """Write validation.parquet and test.parquet into `out`, of the test.parquet in `folder`."""
    table = pq.read_table(folder / "test.parquet", columns=["text", "label"])
    held = held_out(table["label"].to_numpy())
    out.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.filter(held), out / "validation.parquet")
    pq.write_table(table.filter(~held), out / "test.parquet")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
