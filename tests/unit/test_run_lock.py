"""One run, one process."""

import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from afa_ray.errors import UserError
from afa_ray.records.run_lock import own_folder
from afa_ray.train import main

HOLD = """
import sys, time
from pathlib import Path
from afa_ray.records.run_lock import own_folder
with own_folder(Path(sys.argv[1])):
    print("mine", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path: Path):
    """Another process that works in the folder `runs/a`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "runs" / "a")], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"mine\n"
    yield process
    process.kill()
    process.wait()


def test_a_second_command_is_refused_and_told_who(
    holder: subprocess.Popen, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (tmp_path / "runs" / "a" / ".lock").read_text()
    arguments = ["--run.storage", str(tmp_path / "runs"), "--run.name", "a"]
    assert main([*arguments, "--train.num_workers", "0", "--mlflow.uri", "none"]) == 2
    message = capsys.readouterr().err
    assert f"process {holder.pid} on {socket.gethostname()} (since 20" in message
    assert "another run.name" in message
    assert "Traceback" not in message
    assert (tmp_path / "runs" / "a" / ".lock").read_text() == before


def test_what_a_killed_process_left_is_taken_over(
    holder: subprocess.Popen, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "runs" / "a"
    (run / "config.yaml").write_text("{}")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with own_folder(run):
        assert json.loads((run / ".lock").read_text())["pid"] == os.getpid()
    output = capsys.readouterr().out
    assert f"process {holder.pid} on {socket.gethostname()}" in output
    assert "did not end properly: taking over" in output
    with own_folder(run):
        pass
    assert capsys.readouterr().out == ""
    assert [file.name for file in run.iterdir()] == ["config.yaml"]


def test_a_folder_that_nothing_was_put_in_goes_again(tmp_path: Path) -> None:
    run = tmp_path / "a" / "runs" / "one"
    with pytest.raises(UserError, match="no such"), own_folder(run):
        raise UserError("no such thing")
    assert not (tmp_path / "a").exists()
    (tmp_path / "there").mkdir()
    with own_folder(tmp_path / "there" / "one"):
        pass
    assert list(tmp_path.iterdir()) == [tmp_path / "there"]


def test_runs_without_a_name_never_share_a_folder(tmp_path: Path) -> None:
    def start(_: int) -> str:
        with own_folder(tmp_path / "sst2-20260101-120000", fresh=True) as run:
            (run / "config.yaml").write_text("{}")
            return run.name

    with ThreadPoolExecutor(8) as threads:
        names = sorted(threads.map(start, range(8)))
    first = "sst2-20260101-120000"
    assert names == [first, *(f"{first}-{number}" for number in range(2, 9))]


def test_a_file_system_without_locks_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", no_locks)
    with own_folder(tmp_path / "one"):
        assert (tmp_path / "one" / ".lock").exists()
    assert "cannot be locked ([Errno 95] Operation not supported)" in capsys.readouterr().out
