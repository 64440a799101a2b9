"""The texts of a Parquet file, which stay in it: they are read anew whenever they are wanted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from afa_ray.data.tables import read_parquet


@dataclass(frozen=True, eq=False)
class ParquetTexts:
    """Some rows of a text column, in the order of the file.

    Attributes:
        rows: (N,) their numbers in the file, from 0, ascending.
    """

    path: Path
    column: str
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[str]:
        """Read the file once, a batch at a time."""
        first = 0  # row of the batch
        for batch in read_parquet(self.path, [self.column]):
            texts = batch[self.column]
            start, end = np.searchsorted(self.rows, [first, first + len(texts)])
            yield from (texts[row] for row in (self.rows[start:end] - first).tolist())
            first += len(texts)

    def take(self, indices: np.ndarray) -> ParquetTexts:
        """The texts number `indices`, which ascend."""
        return ParquetTexts(self.path, self.column, self.rows[indices])
