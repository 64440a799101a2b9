"""docs/trials/imdb_films.py holds out the last reviews of each class."""

import runpy
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "trials" / "imdb_films.py"


def test_the_last_tenth_of_each_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = [0] * 20 + [1] * 10
    table = pa.table(
        {"text": [f"review {i}" for i in range(30)], "label": labels, "rating": labels}
    )
    pq.write_table(table, tmp_path / "test.parquet")
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(tmp_path), str(tmp_path / "films")])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    validation, test = (
        pq.read_table(tmp_path / "films" / f"{part}.parquet") for part in ("validation", "test")
    )
    assert validation.to_pylist() == [
        {"text": "review 18", "label": 0},
        {"text": "review 19", "label": 0},
        {"text": "review 29", "label": 1},
    ]
    assert test.num_rows == 27
    assert not set(test["text"].to_pylist()) & set(validation["text"].to_pylist())
