"""Whole processes: killed at any moment, or many at once; and checkpoints that were damaged.

Rule: the same command completes, with the weights and records of the quiet run, and leaves nothing
else behind.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from afa_ray.errors import UserError
from afa_ray.records.manifest import MANIFEST, checkpoints, find_checkpoint
from tests.campaign.places import Place, quiet_run, tracked
from tests.campaign.rules import Outcome


def kill(folder: Path, seed: int, times: int, mlflow: str = "none") -> Outcome:
    """Kill a run so many times, each at a moment that is uniform over a quiet run's time, and
    complete it by the same command after each."""
    place = Place(folder, mlflow)

    def once(name: str, moment: float) -> list[str]:
        command = place.start(name)
        command.ended(moment)
        command.kill()
        return place.completed(name)

    return repeat("kills", seed, times, quiet_run(place), once)


def repeat(
    part: str, seed: int, times: int, seconds: float, once: Callable[[str, float], list[str]]
) -> Outcome:
    """Do `once(name, moment)` so many times, at moments that are uniform over the seconds; it
    returns what is wrong then."""
    outcome, moments = Outcome(part, seed), random.Random(seed)
    for number in range(times):
        name = f"{part.replace(' ', '-')}-{seed}-{number}"
        wrong = once(name, moment := moments.uniform(0, seconds))
        outcome.broken += [f"{name} at {moment:.2f} s: {fault}" for fault in wrong]
        outcome.done += not wrong
    return outcome


def crowd(folder: Path, seed: int, runs: int) -> Outcome:
    """So many runs at once, in a new storage with a new sqlite store: all complete and tracked."""
    outcome = Outcome("crowd", seed)
    shutil.rmtree(folder, ignore_errors=True)
    place = Place(folder, f"sqlite:///{folder}/mlflow.db")
    commands = [place.start(f"r{number}") for number in range(runs)]
    for number, command in enumerate(commands):
        status = command.ended()
        if status != 0 or "could not be reached" in command.said():
            outcome.broken.append(f"r{number}: {status}: {command.said()[-800:]}")
    for number in range(runs):
        outcome.broken += tracked(place, f"r{number}")
    outcome.done = runs - len(outcome.broken)
    return outcome


def interrupted(place: Place) -> Path:
    """A run with two checkpoints that is not complete."""
    run = place.storage / "cut"
    if not run.exists():
        command = place.start("cut")
        while len(checkpoints(run)) < 2:
            assert command.ended(0.01) is None, command.said()
        command.kill()
    return run


def damage(folder: Path, seed: int, every: int, resumes: int) -> Outcome:
    """Truncate, empty, delete, exchange and flip bytes in every file of a run's last checkpoint:
    each is noticed, and of `resumes` of them the run is completed as if nothing had been."""
    outcome, place = Outcome("checkpoints", seed), Place(folder)
    quiet_run(place)
    run = interrupted(place)
    older, newer = find_whole(run)
    chosen: list[tuple[str, bytes | None]] = []
    for file in sorted(newer.iterdir()):
        content = file.read_bytes()
        for changed in damages(content, (older / file.name).read_bytes(), every, seed):
            _put(file, changed)
            found = find_checkpoint(run)
            if found.folder == older and str(newer) in found.damaged[0]:
                outcome.done += 1
                chosen.append((file.name, changed))
            else:
                outcome.broken.append(f"{file.name}: not noticed")
        _put(file, content)
    for number, (name, changed) in enumerate(random.Random(seed).sample(chosen, resumes)):
        outcome.broken += resumed(place, run, f"again-{seed}-{number}", name, changed)
    outcome.broken += refuses_where_all_are_damaged(run)
    return outcome


def find_whole(run: Path) -> tuple[Path, Path]:
    older, newer = checkpoints(run)[-2:]
    assert find_checkpoint(run).folder == newer
    return older, newer


def damages(content: bytes, older: bytes, every: int, seed: int) -> Iterator[bytes | None]:
    """The content of a file as it should not be; None where it is deleted."""
    yield None
    yield b""
    for length in (1, len(content) // 2, len(content) - 1):
        yield content[:length]
    if older != content:
        yield older
    for place in range(seed % every, len(content), every):
        yield content[:place] + bytes([content[place] ^ (1 + place % 255)]) + content[place + 1 :]


def resumed(place: Place, run: Path, name: str, file: str, changed: bytes | None) -> list[str]:
    """What is wrong with a copy of the run that goes on after that damage."""
    copy = place.storage / name
    shutil.copytree(run, copy)
    config = copy / "config.yaml"
    config.write_text(config.read_text().replace("name: cut", f"name: {name}"))
    (copy / ".lock").unlink(missing_ok=True)
    _put(checkpoints(copy)[-1] / file, changed)
    return [f"{file} after damage: {fault}" for fault in place.completed(name)]


def refuses_where_all_are_damaged(run: Path) -> list[str]:
    kept = {folder: (folder / MANIFEST).read_bytes() for folder in checkpoints(run)}
    for folder in kept:
        (folder / MANIFEST).unlink()
    try:
        find_checkpoint(run)
        return ["a run without a whole checkpoint is not refused"]
    except UserError:
        return []
    finally:
        for folder, content in kept.items():
            (folder / MANIFEST).write_bytes(content)


def _put(file: Path, content: bytes | None) -> None:
    if content is None:
        file.unlink(missing_ok=True)
    else:
        file.write_bytes(content)
