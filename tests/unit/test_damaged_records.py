"""What a run left behind and others damaged: what is whole is read, and what is not is said."""

import json
from pathlib import Path

import pytest

from afa_ray.errors import UserError
from afa_ray.json_files import DamagedError, parse_object, read_lines, read_object
from afa_ray.records.mlflow_about import _version, datasets_of
from afa_ray.records.mlflow_opening import _memory
from afa_ray.records.run_folder import read_fingerprints, read_result
from afa_ray.records.tracking import Tracker, epoch_records, figure_records, read_records
from tests.tracking.helpers import RESULT
from tests.unit.test_tracking import TRAIN

ODD = (
    b"3", b"{}", b"[1]", b"null", b'"text"', b'{"kind": "train"}', b"\xff\xfe", b"{", b"[" * 9999,
    b'{"kind": "train", "step": "5", "epoch": 1}', b'{"kind": "note", "step": 1, "epoch": 1}',
    b'{"kind": "epoch", "step": 1, "epoch": 1, "val/score": "high"}', b"1" * 5000,
    b'{"kind": "train", "step": 1, "epoch": 1, "at": Infinity}', b'{"kind": 1, "step": 1}', b"",
)  # fmt: skip


def written(run: Path) -> Tracker:
    tracker = Tracker(run, 0, None)
    for step in (10, 20, 30):
        tracker.log("train", step, 1, TRAIN)
        tracker.sample(step, 1, [{"tokens": ["a"]}, {"tokens": ["b"]}])
    return tracker


@pytest.mark.parametrize("odd", ODD)
def test_a_line_that_holds_no_record(tmp_path: Path, odd: bytes) -> None:
    before = written(tmp_path).written
    assert before == {"metrics.jsonl": 3, "samples.jsonl": 6}
    for name in before:
        lines = (tmp_path / name).read_bytes().split(b"\n")
        lines[1] = odd
        (tmp_path / name).write_bytes(b"\n".join(lines))
    assert [record["step"] for record in figure_records(tmp_path)] == [10, 30]
    assert read_records(tmp_path).damaged == 1
    resumed = Tracker(tmp_path, 30, None, before)
    assert resumed.lost[0] == (
        f"{tmp_path / 'metrics.jsonl'} has lost 1 of 3 records, which were damaged or removed; "
        "training does not need them"
    )
    assert read_records(tmp_path).damaged == 0


@pytest.mark.parametrize(("kept", "lost"), [(0, 3), (None, 3), (1, 2), (-4, 1)])
def test_lost_steps_are_said_once(tmp_path: Path, kept: int | None, lost: int) -> None:
    before = written(tmp_path).written
    file = tmp_path / "metrics.jsonl"
    content = file.read_bytes()
    if kept is None:
        file.unlink()
    else:
        first = content.index(b"\n") + 1
        file.write_bytes(
            kept if isinstance(kept, bytes) else content[: first if kept > 0 else kept]
        )
    resumed = Tracker(tmp_path, 30, None, before)
    assert len(resumed.lost) == 1
    assert f"has lost {lost} of 3 records" in resumed.lost[0]
    assert not Tracker(tmp_path, 30, None, resumed.written).lost


def test_nothing_is_lost_where_later_steps_come_again(tmp_path: Path) -> None:
    before = written(tmp_path).written | {"metrics.jsonl": 2, "samples.jsonl": 4}
    tracker = Tracker(tmp_path, 20, None, before)
    assert tracker.lost == []
    assert tracker.written == before


@pytest.mark.parametrize("name", ["metrics.jsonl", "samples.jsonl"])
def test_a_folder_in_its_place(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(DamagedError, match=rf"{name} cannot be read"):
        Tracker(tmp_path, 0, None)


def test_epochs_without_a_score_are_none(tmp_path: Path) -> None:
    lines = [
        {"kind": "epoch", "step": s, "epoch": s, "val/score": v} for s, v in ((1, 0.5), (2, None))
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [record["epoch"] for record in epoch_records(tmp_path)] == [1]


@pytest.mark.parametrize("odd", [odd for odd in ODD if odd.strip()])
def test_files_that_hold_one_object(tmp_path: Path, odd: bytes) -> None:
    for name in ("result.json", "fingerprints.json", "mlflow.json"):
        (tmp_path / name).write_bytes(odd)
    if odd == b"{}":
        assert read_fingerprints(tmp_path) == {}
    else:
        with pytest.raises(DamagedError, match=r"fingerprints\.json"):
            read_fingerprints(tmp_path)
    with pytest.raises(UserError, match="not the result of a run"):
        read_result(tmp_path)
    assert _memory(tmp_path) == {}
    assert datasets_of({"data.name": "x"}, tmp_path) == []
    assert _version(tmp_path)


@pytest.mark.parametrize(
    ("part", "value"),
    [("training", 3), ("training", {"steps": "9"}), ("deletion_curve", [1]), ("test", None)],
)
def test_a_result_of_other_types(tmp_path: Path, part: str, value: object) -> None:
    (tmp_path / "result.json").write_text(json.dumps(RESULT))
    assert read_result(tmp_path) == RESULT
    (tmp_path / "result.json").write_text(json.dumps(RESULT | {part: value}))
    with pytest.raises(UserError, match="not the result of a run"):
        read_result(tmp_path)


def test_readers(tmp_path: Path) -> None:
    assert read_object(tmp_path / "none.json") is None
    assert read_lines(tmp_path / "none.jsonl").records == []
    with pytest.raises(DamagedError, match="cannot be read"):
        read_object(tmp_path)
    (tmp_path / "a.jsonl").write_bytes(b'{"a": 1}\n3\n{"b": "\xe2\x80\xa8"}\n{"c')
    found = read_lines(tmp_path / "a.jsonl")
    assert found.records == [{"a": 1}, {"b": "\u2028"}]
    assert found.damaged == 1
    assert parse_object('{"a": [1, 2.5]}') == {"a": [1, 2.5]}
