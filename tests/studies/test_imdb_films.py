"""Validation reviews of other films are the last ones of each class."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from studies.evidence import imdb_films


def test_the_last_tenth_of_each_class(tmp_path: Path) -> None:
    labels = [0] * 20 + [1] * 10
    table = pa.table(
        {"text": [f"review {i}" for i in range(30)], "label": labels, "rating": labels}
    )
    pq.write_table(table, tmp_path / "test.parquet")
    imdb_films.main(tmp_path, tmp_path / "films")
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
