"""Data files that hold what Python cannot: said in a sentence that names the file."""

import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from afa_ray.data.streamed import read_columns
from afa_ray.errors import UserError

LINES = {
    "nested": '{"text": ' + "[" * 100_000 + "]" * 100_000 + ', "label": 1}',
    "objects": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "digits": '{"text": "a", "label": ' + "1" * 5000 + "}",
}


@pytest.mark.parametrize("what", LINES)
def test_json_lines(what: str, tmp_path: Path) -> None:
    file = tmp_path / "odd.jsonl"
    file.write_text('{"text": "a", "label": 1}\n' + LINES[what])
    with pytest.raises(UserError, match="line 2 holds a number of thousands of digits, or is nes"):
        read_columns(file, ["text", "label"])


COLUMNS = {
    "date32": pa.array([2**30, 1], pa.date32()),
    "date64": pa.array([2**53, 1], pa.date64()),
    "seconds": pa.array([2**50, 1], pa.timestamp("s")),
    "microseconds": pa.array([-(2**61), 1], pa.timestamp("us")),
    "duration": pa.array([2**60, 1], pa.duration("s")),
}


@pytest.mark.parametrize("what", COLUMNS)
def test_parquet_dates_out_of_range(what: str, tmp_path: Path) -> None:
    file = tmp_path / "odd.parquet"
    pq.write_table(pa.table({"text": ["a", "b"], "label": COLUMNS[what]}), file)
    with pytest.raises(UserError, match=r"odd\.parquet"):
        read_columns(file, ["text", "label"])
    assert read_columns(file, ["text"]) == {"text": ["a", "b"]}


def test_parquet_dates_within_it(tmp_path: Path) -> None:
    file = tmp_path / "fine.parquet"
    days = [datetime.date(1, 1, 1), datetime.date(9999, 12, 31)]
    pq.write_table(pa.table({"text": days}), file)
    assert read_columns(file, ["text"]) == {"text": days}
