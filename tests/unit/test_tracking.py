"""Records, notices and the console."""

import json
import time
from pathlib import Path

import pytest

from afa_ray.console import POLL_S, Follower, render
from afa_ray.records.mlflow_client import UnreachableError
from afa_ray.records.tracking import GameWatch, Tracker, figure_records, keep_up_to

TRAIN = {
    "train/loss_cls": 0.5, "train/accuracy": 0.75, "train/attention_entropy": 2.0,
    "train/loss_d": 1.2, "train/d_accuracy": 0.6,
    "train/reward_mean": 0.7, "train/reward_spread": 0.05,
    "time/tokens_per_s": 12345.6,
}  # fmt: skip


def lines(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_a_resumed_tracker_drops_what_will_come_again(tmp_path: Path) -> None:
    tracker = Tracker(tmp_path, 0, None)
    for step in (10, 20, 30):
        tracker.log("train", step, 1, TRAIN)
        tracker.sample(step, 1, [{"tokens": ["a"]}])
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "train", "st')  # cut short by a crash
    resumed = Tracker(tmp_path, 20, None)
    resumed.log("train", 30, 1, TRAIN)
    assert [record["step"] for record in lines(tmp_path)] == [10, 20, 30]
    assert len((tmp_path / "samples.jsonl").read_text().splitlines()) == 2
    keep_up_to(tmp_path / "missing.jsonl", 3)
    assert not (tmp_path / "missing.jsonl").exists()


class FakeMlflow:
    """Remembers what it was given; says that steps up to 20 had been logged before."""

    uri = "http://127.0.0.1:5000"

    def __init__(self) -> None:
        self.logged: list[int] = []
        self.added: list[int] = []

    def add_missing(self, records: list[dict]) -> int:
        self.added = [record["step"] for record in records]
        return len(records)

    def last_step(self, name: str) -> int:
        return 20

    def log_metrics(self, figures: dict, step: int) -> None:
        self.logged.append(step)


def test_mlflow_gets_no_step_twice(tmp_path: Path) -> None:
    mlflow = FakeMlflow()
    tracker = Tracker(tmp_path, 10, mlflow)  # type: ignore[arg-type]
    for step in (15, 20, 25):
        tracker.log("train", step, 1, TRAIN)
    assert mlflow.logged == [25]
    assert len(lines(tmp_path)) == 3


def test_a_resumed_run_hands_on_what_the_server_may_have_missed(tmp_path: Path) -> None:
    tracker = Tracker(tmp_path, 0, None)
    for step in (5, 10, 15):
        tracker.log("train", step, 1, TRAIN)
    tracker.note(10, 1, "a note")
    mlflow = FakeMlflow()
    Tracker(tmp_path, 10, mlflow)  # type: ignore[arg-type]
    assert mlflow.added == [5, 10]


def test_records_of_a_file_that_a_crash_cut_short(tmp_path: Path) -> None:
    tracker = Tracker(tmp_path, 0, None)
    tracker.log("train", 10, 1, TRAIN)
    tracker.note(10, 1, "line\u2028separators and é stay whole")
    with (tmp_path / "metrics.jsonl").open("ab") as file:
        file.write('{"kind": "note", "text": "é'.encode()[:-1])  # within a character
    (record,) = figure_records(tmp_path)
    assert record["step"] == 10
    assert abs(record["at"] - time.time()) < 60
    keep_up_to(tmp_path / "metrics.jsonl", 10)
    assert len((tmp_path / "metrics.jsonl").read_text().split("\n")) == 3


class DeadMlflow(FakeMlflow):
    """Answers once, then no more."""

    def log_metrics(self, figures: dict, step: int) -> None:
        self.logged.append(step)
        raise UnreachableError("MLflow could not be reached (gone)")


def test_a_server_that_vanishes_is_said_once_and_left_alone(tmp_path: Path) -> None:
    mlflow = DeadMlflow()
    tracker = Tracker(tmp_path, 0, mlflow)  # type: ignore[arg-type]
    for step in (25, 30, 35):
        tracker.log("train", step, 1, TRAIN)
    tracker.finish(35, 1, {"test/accuracy": 1.0})
    assert mlflow.logged == [25]
    kinds = [record["kind"] for record in lines(tmp_path)]
    assert kinds == ["train", "note", "train", "train"]
    text = lines(tmp_path)[1]["text"]
    assert text.startswith("MLflow could not be reached (gone): ")
    assert text.endswith(f"python -m afa_ray.track {tmp_path} --mlflow.uri {mlflow.uri}")


def test_a_degenerate_game_is_noticed_once_and_in_plain_words() -> None:
    watch = GameWatch()
    flat = TRAIN | {"train/reward_spread": 1e-5, "train/d_accuracy": 1.0}
    assert [watch.notice(TRAIN, step) for step in range(50, 550, 50)] == [None] * 10
    assert [watch.notice(flat, step) for step in (550, 600, 650)] == [None] * 3
    note = watch.notice(flat, 700)
    assert note is not None
    assert "plain training" in note
    assert "afa.mask delete" in note
    assert "1.000" in note
    assert watch.notice(flat, 750) is None
    own = {name: value for name, value in flat.items() if name != "train/d_accuracy"}
    watch = GameWatch(last_alive=0)
    note = watch.notice(own, 200)
    assert note is not None
    assert "Discriminator" not in note
    assert "discriminator" not in note
    assert GameWatch().notice({"train/loss": 1.0}, 500) is None


def test_a_degenerate_game_of_a_short_run_is_noticed_at_its_end() -> None:
    flat = TRAIN | {"train/reward_spread": 1e-5}
    watch = GameWatch()
    assert [watch.notice(flat, step) for step in (3, 6, 9)] == [None] * 3
    note = watch.conclude(9)
    assert note is not None
    assert "over 9 updates" in note
    assert "or train longer" in note
    assert watch.told == note
    assert watch.conclude(9) is None
    watch = GameWatch()
    watch.notice(TRAIN, 30)
    watch.notice(flat, 120)
    assert "over 90 updates" in str(watch.conclude(120))  # most of them
    watch = GameWatch()
    watch.notice(TRAIN, 80)
    watch.notice(flat, 120)
    assert watch.conclude(120) is None
    alive = GameWatch()
    alive.notice(TRAIN, 9)
    assert alive.conclude(9) is None
    plain = GameWatch()
    plain.notice({"train/loss": 1.0}, 9)
    assert plain.conclude(9) is None


def test_a_short_lull_is_not_a_degenerate_game() -> None:
    watch = GameWatch()
    flat = TRAIN | {"train/reward_spread": 1e-5}
    for step in range(200, 4200, 200):
        assert watch.notice(flat, step - 50) is None
        assert watch.notice(TRAIN, step) is None


def test_progress_lines() -> None:
    line = render({"kind": "train", "step": 50, "epoch": 1, **TRAIN}, 1200)
    assert line == (
        "  step   50/1200  loss 0.500  acc 0.750  entropy 2.00"
        "  | D acc 0.600  reward 0.700  spread 0.050  | 12,346 tokens/s"
    )
    epoch = {"kind": "epoch", "step": 50, "epoch": 1, "val/accuracy": 0.5, "val/macro_f1": 0.25}
    assert render(epoch, 1200) == "epoch 1   validation accuracy 0.5000  macro F1 0.2500"


def test_the_follower_prints_each_record_once(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    tracker = Tracker(tmp_path, 0, None)
    tracker.log("train", 10, 1, TRAIN)
    with Follower(tmp_path, 40, done=10):
        tracker.log("train", 20, 1, TRAIN)
        tracker.note(20, 1, "a note")
        time.sleep(2 * POLL_S)
        resumed = Tracker(tmp_path, 10, None)  # a lost worker: step 20 comes again
        resumed.log("train", 20, 1, TRAIN)
        resumed.log("train", 30, 1, TRAIN)
        resumed.note(20, 1, "a note")
    out = capsys.readouterr().out
    assert [line.split("/")[0].strip() for line in out.splitlines() if "step" in line] == [
        "step 20", "step 30"
    ]  # fmt: skip
    assert out.count("a note") == 1
