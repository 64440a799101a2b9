"""What the user sees of a study: a line a run, or a live table in a terminal."""

import io
import json
import time
from pathlib import Path

import pytest
from rich.console import Console

from afa_ray.config import Settings
from afa_ray.data.corpus import Corpus
from afa_ray.records.mlflow_run import MlflowRun
from tune import scoreboard
from tune.scoreboard import Scoreboard, duration
from tune.study import Study


@pytest.fixture
def study(tmp_path: Path, small_corpus: Corpus) -> Study:
    mlflow = MlflowRun("http://127.0.0.1:5000", "3", "abc")
    return Study(Settings(), tmp_path, small_corpus, mlflow, 2, "http://127.0.0.1:8265")


def record(folder: Path, *scores: float) -> Path:
    """A run's folder with an epoch a score, and a line that is being written."""
    folder.mkdir(exist_ok=True)
    lines = [json.dumps({"kind": "train", "step": 1, "epoch": 1, "train/loss": 1.0})]
    lines += [
        json.dumps({"kind": "epoch", "step": i, "epoch": i, "val/score": score})
        for i, score in enumerate(scores, start=1)
    ]
    (folder / "metrics.jsonl").write_text("\n".join(lines) + '\n{"kind": "epo')
    return folder


def test_a_line_a_run(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(scoreboard.time, "monotonic", lambda: now[0])
    screen = io.StringIO()
    with Scoreboard("comparing", 5, study, Console(file=screen, width=200)) as board:
        board.found(record(tmp_path / "plain-seed0", 0.5, 0.7))
        board.started(tmp_path / "contrast-seed0")
        record(tmp_path / "contrast-seed0", 0.8, 0.75)
        now[0] = 100.0
        board.ended(tmp_path / "contrast-seed0")
        board.started(tmp_path / "plain-seed1", "k 3")
        board.ended(tmp_path / "plain-seed1", "failed", "no such file")
    lines = screen.getvalue().splitlines()
    assert lines[0] == "comparing: 5 runs, 2 at a time"
    assert lines[1].endswith(str(tmp_path))
    assert lines[2].endswith("http://127.0.0.1:8265")
    assert lines[3].endswith("http://127.0.0.1:5000/#/experiments/3/runs/abc")
    done, failed = (line.split() for line in lines[4:])
    assert done[:7] == ["2/5", "contrast-seed0", "done", "epoch", "2", "score", "0.8000"]
    assert "best 0.8000 contrast-seed0" in lines[4]
    assert lines[4].endswith("about 2 min left")  # 100 s a run, three left, two at a time
    assert failed[:3] == ["3/5", "plain-seed1", "failed"]
    assert lines[5].endswith("no such file")


def test_a_live_table_in_a_terminal(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoreboard, "REDRAW_S", 0.01)
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120, height=30)
    with Scoreboard("searching", 24, study, console) as board:
        board.started(record(tmp_path / "trial-000", 0.9), "k 3  [bold]markup[/bold]")
        while "0.9000" not in screen.getvalue():
            time.sleep(0.01)
        board.ended(tmp_path / "trial-000", "ended early")
    text = screen.getvalue()
    assert "0 of 24 ended  best 0.9000 trial-000" in text
    assert "running" in text
    assert "[bold]markup[/bold]" in text  # shown, not obeyed


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (3540, "59 min"), (3600, "1 h 00 min"),
     (11_100, "3 h 05 min")],
)  # fmt: skip
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
