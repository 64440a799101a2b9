"""Disks that fill: a small one of its own for each run, of memory, which needs root.

Rule: exit status 2 with what to do, no traceback; an earlier checkpoint is whole, what stood in the
place of a file stays; and when there is room, the same command completes as if nothing had been.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from afa_ray.data.tickets import write_tickets
from afa_ray.records.manifest import find_checkpoint
from tests.campaign.commands import Command, to_its_end
from tests.campaign.crashes import rows_of
from tests.campaign.places import Place, quiet_run, tracked
from tests.campaign.processes import repeat
from tests.campaign.ray_crashes import TWO, ray_folder
from tests.campaign.rules import Outcome
from tests.unit.test_classifier import save_single_layer

ROOM_KB = 64 * 1024
FILLER = "filler"


class Disk:
    """A disk of memory in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def resize(self, kilobytes: int) -> None:
        options = f"remount,size={kilobytes}k"
        subprocess.run(["mount", "-o", options, str(self.folder)], check=True)

    def used_kb(self) -> int:
        about = os.statvfs(self.folder)
        return (about.f_blocks - about.f_bfree) * about.f_bsize // 1024

    def fill(self) -> None:
        """Take what room there is."""
        with (self.folder / FILLER).open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * 4096)

    def make_room(self) -> None:
        (self.folder / FILLER).unlink(missing_ok=True)
        self.resize(ROOM_KB)


@contextlib.contextmanager
def disk(folder: Path, kilobytes: int = ROOM_KB) -> Iterator[Disk]:
    folder.mkdir(parents=True, exist_ok=True)
    options = f"size={max(4, kilobytes)}k"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def can_mount(folder: Path) -> bool:
    try:
        with disk(folder):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def plain(folder: Path, seed: int, times: int) -> Outcome:
    return train(folder, seed, times, mlflow=False)


def tracked_runs(folder: Path, seed: int, times: int) -> Outcome:
    return train(folder, seed, times, mlflow=True)


def with_workers(folder: Path, seed: int, times: int) -> Outcome:
    """Two Ray workers, whose errors come to the command by way of Ray."""
    with ray_folder() as environment:
        return train(folder, seed, times, mlflow=False, values=TWO, environment=environment)


def train(
    folder: Path, seed: int, times: int, *, mlflow: bool, **about: Mapping[str, Any]
) -> Outcome:
    """Runs on a disk that is full from a moment on, or that holds a part of what they write."""

    def place_in(folder: Path, data: Place | None = None) -> Place:
        uri = f"sqlite:///{folder}/mlflow.db" if mlflow else "none"
        return Place(folder, uri, data=data, **about)

    calm = place_in(folder / "calm")
    seconds, most_kb = quiet_run(calm), _most_kb(folder / "most", place_in)

    def once(name: str, moment: float) -> list[str]:
        by_size = int(name[-1]) % 2
        size = int(most_kb * moment / seconds) if by_size else ROOM_KB
        with disk(folder / name, size) as small:
            place = place_in(folder / name, calm)
            command = place.start(name)
            status = command.ended(3600 if by_size else moment)
            while status is None:
                small.fill()
                status = command.ended(0.002)
            wrong = _told(status, command.said()) + _intact(place.storage / name)
            small.make_room()
            quiet = str(calm.storage / "quiet")
            wrong += place.again(name, quiet)
            wrong += _handed_on(place, name) if mlflow and not wrong else []
        shutil.rmtree(folder / name, ignore_errors=True)
        return wrong

    part = "full disks" + ", tracked" * mlflow + ", Ray workers" * bool(about)
    return repeat(part, seed, times, seconds, once)


def _handed_on(place: Place, name: str) -> list[str]:
    """What is wrong with what the store has, after the upload that a run hints at."""
    words = [str(place.storage / name), f"--mlflow.uri={place.mlflow}"]
    command = Command("afa_ray.track", words, place.data.parent / f"{name}.track.txt")
    if command.ended() != 0:
        return [f"track: {command.said()[-800:]}"]
    return tracked(place, name)


def _most_kb(folder: Path, place_in: Callable[[Path], Place]) -> int:
    """The most that a run has on its disk at a time."""
    with disk(folder) as large:
        most = 0

        def watched() -> Command:
            nonlocal most
            command = place_in(folder).start("quiet")
            while command.ended(0.002) is None:
                most = max(most, large.used_kb())
            return command

        command = to_its_end(watched)
        assert command.ended() == 0, command.said()
        return most


def _told(status: int, said: str) -> list[str]:
    """What is wrong with how a command ended: well, or in words."""
    if status == 0:
        return []
    in_words = (status == 2 and "the disk is full" in said) or "cannot be written" in said
    found = [] if in_words else [f"status {status}: {said[-800:]}"]
    return found + [f"a traceback: {said[-1500:]}"] * ("Traceback" in said)


def _intact(run: Path) -> list[str]:
    return find_checkpoint(run).damaged if run.exists() else []


def explain(folder: Path, seed: int, times: int) -> Outcome:
    """Explanations into a file on a disk that does not hold them all."""
    folder.mkdir(parents=True, exist_ok=True)
    model, texts = save_single_layer(folder / "model", seed=0), folder / "texts.csv"
    write_tickets(texts, rows=400, seed=0)

    def start(out: Path) -> Command:
        words = [model, "--file", str(texts), "--text_column", "message", "--out", str(out)]
        return Command("afa_ray.explain", words, folder / f"{out.stem}.txt")

    for suffix in ("jsonl", "csv", "html"):
        command = start(folder / f"quiet.{suffix}")
        assert command.ended() == 0, command.said()

    def once(name: str, moment: float) -> list[str]:
        suffix = ("jsonl", "csv", "html")[int(name[-1]) % 3]
        quiet, out = folder / f"quiet.{suffix}", folder / name / f"{name}.{suffix}"
        with disk(folder / name, 8 + int(moment * quiet.stat().st_size / 1024)) as small:
            out.write_text("of before")
            command = start(out)
            wrong = _told(command.ended() or 0, command.said())
            wrong += ["half a file"] * (command.ended() != 0 and out.read_text() != "of before")
            wrong += ["a file left"] * ([file.name for file in out.parent.iterdir()] != [out.name])
            small.make_room()
            command = start(out)
            wrong += [f"then: {command.said()[-800:]}"] * (command.ended() != 0)
            if suffix != "html":
                wrong += ["other rows"] * (rows_of(out) != rows_of(quiet))
        return wrong

    return repeat("full disks, explain", seed, times, 1.0, once)
