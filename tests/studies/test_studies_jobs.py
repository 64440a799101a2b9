"""Jobs of a study: their rows are kept, and one that fails does not stop the others."""

import time
from functools import partial
from pathlib import Path

import pytest

from studies.jobs import Row, read_rows, run_jobs, silence


def measured(job: int) -> list[Row]:
    return [{"job": job, "half": 10 // job}]


def in_turn(file: Path, job: int) -> list[Row]:
    """All but the first wait until the rows of the first are there."""
    while job > 1 and not file.exists():
        time.sleep(0.01)
    return [{"job": job}]


def test_a_job_that_fails_is_told_and_the_others_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "figures.jsonl"
    assert read_rows(file) == []
    run_jobs([1, 0, 2], measured, "job {}".format, file, processes=1)
    assert read_rows(file) == [{"job": 1, "half": 10}, {"job": 2, "half": 5}]
    told = capsys.readouterr().out
    assert "failed: job 0" in told
    assert "ZeroDivisionError" in told
    assert "3/3 job 2 (0 min left)" in told


def test_none_begins_when_the_time_is_over(tmp_path: Path) -> None:
    """Those that a process has been given already are ended."""
    file, jobs = tmp_path / "figures.jsonl", range(1, 20)
    run_jobs(jobs, partial(in_turn, file), str, file, processes=1, minutes=0)
    assert 1 <= len(read_rows(file)) < len(jobs)


def test_silence_is_over_in_time(capsys: pytest.CaptureFixture[str]) -> None:
    with silence():
        print("unheard")
    print("heard")
    assert capsys.readouterr().out == "heard\n"
