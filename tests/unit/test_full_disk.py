"""A disk that is full: said without a traceback, and nothing that was whole is lost."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import SafetensorError

from afa_ray import train as train_module
from afa_ray.command_line import answer
from afa_ray.config import Settings
from afa_ray.data import word2vec
from afa_ray.records import checkpoint, run_folder
from afa_ray.records.manifest import checkpoints, find_checkpoint
from afa_ray.records.run_lock import own_folder
from afa_ray.report import writers
from afa_ray.training.ray_run import work_that_goes_on
from afa_ray.whole_files import UNFINISHED
from tests.conftest import with_values

FULL = OSError(errno.ENOSPC, "No space left on device", "/runs/x/.result.json")
RUSTS = "Error while serializing: I/O error: No space left on device (os error 28)"


def fails(error: Exception) -> Callable[[], int]:
    def work() -> int:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FULL, "[Errno 28] No space left on device: '/runs/x/.result.json'"),
        (SafetensorError(RUSTS), RUSTS),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "[Errno 122] Disk quota exceeded"),
        (OSError(errno.EFBIG, "File too large"), "[Errno 27] File too large"),
        (RuntimeError(f"a worker failed:\nTraceback\n  {RUSTS}\nmore"), RUSTS),
    ],
)
def test_said_with_what_to_do(
    error: Exception, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer("afa_ray.train", fails(error)) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"afa_ray.train: cannot go on:\n  the disk is full ({said}): make")
    assert message.count("\n") == 2


def test_other_errors_are_no_full_disk() -> None:
    with pytest.raises(OSError, match="denied"):
        answer("afa_ray.train", fails(OSError(errno.EACCES, "Permission denied")))


def refuse(*_: Any, **__: Any) -> Any:
    raise FULL


@pytest.mark.parametrize(
    ("refused", "work"),
    [
        ("tempfile.TemporaryFile", lambda folder: run_folder.require_writable(folder / "run")),
        ("tempfile.TemporaryFile", lambda folder: writers.require_writable(folder / "rows.jsonl")),
        ("os.open", lambda folder: own_folder(folder / "run").__enter__()),
    ],
)
def test_another_folder_would_not_help(
    refused: str,
    work: Callable[[Path], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where a place is tried first, a full disk is no place that one may not write to."""
    monkeypatch.setattr(refused, refuse)
    assert answer("afa_ray.train", lambda: work(tmp_path)) == 2
    message = capsys.readouterr().err
    assert "the disk is full ([Errno 28] No space left on device" in message
    assert "make room" in message


def test_the_disk_of_a_worker(capsys: pytest.CaptureFixture[str]) -> None:
    exceptions = pytest.importorskip("ray.exceptions")
    trace = f'ray::ExplainPart()\n  File "cluster.py"\nOSError: {FULL}'

    def work() -> None:
        with work_that_goes_on("out = rows: a part could not be explained"):
            raise exceptions.RayTaskError("ExplainPart", trace, OSError("a part"))

    assert answer("afa_ray.explain", work) == 2
    assert "cannot go on:\n  the disk is full (OSError: [Errno 28]" in capsys.readouterr().err


def test_a_run_goes_on_when_there_is_room(
    tiny_settings: Callable[..., Settings],
    on_small_corpus: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The third checkpoint does not fit: those before are whole, and the result is as ever."""
    given = {"train.epochs": 2, "train.checkpoint_every": 4, "run.storage": str(tmp_path)}
    settings = tiny_settings(given)

    def run(name: str) -> int:
        return answer(
            "afa_ray.train",
            lambda: train_module.train(with_values(settings, **{"run.name": name})) and 0,
        )

    save_file, files = checkpoint.save_file, []

    def full_at_the_third(tensors: Any, path: Path) -> None:
        files.append(path)
        if len({file.parent for file in files}) == 3:
            path.write_bytes(b"half")
            raise SafetensorError(RUSTS)
        save_file(tensors, path)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_file", full_at_the_third)
        assert run("full") == 2
    message = capsys.readouterr().err
    assert "the same settings with --run.name full continue" in message
    assert "the disk is full" in message
    folder = tmp_path / "full"
    assert find_checkpoint(folder).damaged == []
    assert len(checkpoints(folder)) == 2
    assert not list(folder.glob(".checkpoint*"))
    assert run("full") == run("quiet") == 0
    weights = [tmp_path / name / "model" / "model.safetensors" for name in ("full", "quiet")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_no_room_for_the_page_of_a_run(
    tiny_settings: Callable[..., Settings],
    on_small_corpus: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The run is not complete without it, and nothing is left of the half that fitted."""
    settings = tiny_settings({"train.epochs": 1, "run.storage": str(tmp_path), "run.name": "run"})
    write_text = Path.write_text

    def full(path: Path, text: str, **options: Any) -> int:
        if not text.startswith("<!doctype html>"):
            return write_text(path, text, **options)
        write_text(path, text[:100], **options)
        raise FULL

    def run() -> int:
        return answer("afa_ray.train", lambda: train_module.train(settings) and 0)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        assert run() == 2
    assert not list((tmp_path / "run").glob(f"{UNFINISHED}*"))
    assert not (tmp_path / "run" / "report.html").exists()
    assert run() == 0
    assert (tmp_path / "run" / "report.html").exists()


def test_no_room_for_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pwrite", refuse)
    with pytest.raises(OSError, match="No space left"), own_folder(tmp_path / "runs" / "x"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_no_room_for_the_cache_of_word_vectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(tensors: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise SafetensorError(RUSTS)

    monkeypatch.setattr(word2vec, "save_file", full)
    word2vec._keep(np.ones((2, 2), np.float32), tmp_path / "cache" / "vectors.safetensors")
    assert list((tmp_path / "cache").iterdir()) == []
