"""Which checkpoint of a run is whole: a manifest in each has the digest of every other file.

It is written last. A checkpoint with a file too few, too many, or of other content is damaged, and
so is one under another's name. A run keeps two, so that it can continue from the one before.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from afa_ray.errors import UserError
from afa_ray.json_files import DamagedError, read_object
from afa_ray.whole_files import UNFINISHED

MANIFEST = "manifest.json"
KEPT = 2  # checkpoints of a run that is not complete
RAYS_OWN = "checkpoint_manager_snapshot.json"  # Ray Train's list of checkpoints: it would bind it
LEFT_BEHIND = (
    f"{UNFINISHED}*", ".checkpoint_*", ".model", ".discriminator", "*.progress", RAYS_OWN,
)  # fmt: skip


@dataclass(frozen=True)
class Found:
    """The furthest whole checkpoint of a run, None where there is none, and a sentence for each
    damaged one beyond it."""

    folder: Path | None
    damaged: list[str]


def seal(folder: Path) -> None:
    """Write the manifest of a checkpoint whose other files are all there (.1 s for 100 MB)."""
    digests = {
        file.name: file_digest(file) for file in sorted(folder.iterdir()) if file.name != MANIFEST
    }
    content = {"checkpoint": folder.name, "sha256": digests}
    (folder / MANIFEST).write_text(json.dumps(content, indent=1), encoding="utf-8")


def fault_of(folder: Path) -> str:
    """What is wrong with a checkpoint; empty where every file is as it was written."""
    try:
        content = read_object(folder / MANIFEST)
        digests = (content or {}).get("sha256")
        if content is None or not isinstance(digests, dict) or not digests:
            return f"it has no {MANIFEST} (a copy cut short, or of an earlier version)"
        if content.get("checkpoint") != folder.name:
            return f"{MANIFEST} is that of another checkpoint"
        there = {file.name for file in folder.iterdir()} - {MANIFEST}
        if missing := sorted(digests.keys() - there):
            return f"{missing[0]} is missing"
        if foreign := sorted(there - digests.keys()):
            return f"{foreign[0]} does not belong to it"
        changed = (name for name, digest in digests.items() if file_digest(folder / name) != digest)
        return next((f"{name} is not as it was written" for name in changed), "")
    except DamagedError:
        return f"{MANIFEST} is not as it was written"
    except OSError as error:
        return f"it cannot be read ({error.strerror})"


def checkpoints(run: Path) -> list[Path]:
    """The checkpoints in a run's folder, whole or not, the furthest last."""
    return sorted(path for path in run.glob("checkpoint_*") if path.is_dir())


def find_checkpoint(run: Path) -> Found:
    """The furthest checkpoint of a run that is whole.

    Raises:
        UserError: there are checkpoints, and all are damaged.
    """
    damaged: list[str] = []
    for folder in reversed(checkpoints(run)):
        fault = fault_of(folder)
        if not fault:
            return Found(folder, damaged)
        damaged.append(f"{folder} is damaged: {fault}")
    if damaged:
        raise UserError(
            "\n".join(damaged) + "\nno checkpoint of this run is whole: put one back from a copy, "
            "or remove these folders to train from the beginning"
        )
    return Found(None, [])


def latest_checkpoint(run: Path) -> Path | None:
    """The furthest whole checkpoint in a run's folder; see `find_checkpoint`."""
    return find_checkpoint(run).folder


def drop_others(run: Path, newest: Path, keep: int = KEPT) -> None:
    """Remove all checkpoints but `keep`, `newest` and those just before it; later ones are damaged,
    and their part of the run is trained anew."""
    there = checkpoints(run)
    before = [folder for folder in there if folder.name <= newest.name]
    for folder in there:
        if folder not in before[-keep:]:
            shutil.rmtree(folder, ignore_errors=True)


def tidy(run: Path) -> None:
    """Remove what a process that was killed left unfinished in a run's folder, which nobody else
    may work in."""
    for pattern in LEFT_BEHIND:
        for path in run.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def file_digest(file: Path) -> str:
    """SHA-256, in hexadecimal digits."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
