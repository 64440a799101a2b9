"""`python -m tests.campaign`: damage, kills and crowds in large numbers; an hour on two cores.

Results are appended to a file, a line a portion, and what is there is not run again: the same
command goes on where it was stopped. Exit status 1 where something broke.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from afa_ray.json_files import read_lines
from tests.campaign import (
    clocks,
    crashes,
    disks,
    folders,
    inputs,
    load,
    processes,
    ray_crashes,
    requests,
    sockets,
)
from tests.campaign.rules import Outcome, hold

PORTION = 500  # cases that are one line of the results
FEW = 5  # kills and the like that are


def portions(
    options: argparse.Namespace, place: Path
) -> Iterator[tuple[str, Callable[[], Outcome]]]:
    """(name, work) of all that is to be done; a name stands for the same cases always."""
    for part, (strategy, check) in (inputs.PARTS | folders.PARTS | requests.PARTS).items():
        for seed in range(-(-options.cases // PORTION)):
            count = min(PORTION, options.cases - seed * PORTION)
            yield (
                f"{part} {seed} {count}",
                lambda p=part, n=seed, c=count, s=strategy, f=check: hold(p, n, c, s, f),
            )
    yield (
        f"checkpoints {options.every} {options.resumes}",
        lambda: processes.damage(place / "damage", 0, options.every, options.resumes),
    )
    for seed in range(options.kills // FEW):
        uri = "none" if seed % 2 else f"sqlite:///{place}/kills/mlflow.db"
        folder = place / ("kills" if seed % 2 else "kills-tracked")
        yield f"kills {seed}", lambda n=seed, f=folder, u=uri: processes.kill(f, n, FEW, u)
    if options.crowd:
        yield f"crowd {options.crowd}", lambda: processes.crowd(place / "crowd", 0, options.crowd)
    yield from around_commands(options, place)


def around_commands(
    options: argparse.Namespace, place: Path
) -> Iterator[tuple[str, Callable[[], Outcome]]]:
    """The parts that kill, fill, turn and watch what commands need."""
    kinds = crashes.PARTS | ray_crashes.PARTS
    parts = {f"kill-{name}": (kill, options.others) for name, kill in kinds.items()}
    parts["clock"] = clocks.plain, options.clocks
    parts["clock-tracked"] = clocks.tracked_runs, options.clocks
    if options.disks and disks.can_mount(place / "mounted"):
        parts["disk-explain"] = disks.explain, options.disks
        parts["disk"] = disks.plain, options.disks
        parts["disk-tracked"] = disks.tracked_runs, options.disks
        parts["ray-disk"] = disks.with_workers, FEW
    elif options.disks:
        print("disks that fill: left out, for none can be mounted here (root may)", flush=True)
    for name, (part, times) in parts.items():
        for seed in range(times // FEW):
            folder = place / f"{name}-{seed}"
            yield f"{name} {seed}", lambda p=part, f=folder, n=seed: p(f, n, FEW)
    yield "sockets", lambda: sockets.sockets(place / "sockets", 0)
    for given in ([], ["--serve.replicas", "2"]) if options.load else ():
        name = " ".join([f"load {options.load}", *given])
        folder = place / f"load-{len(given)}"
        yield name, lambda f=folder, g=given: load.load(f, options.load, g)


def main() -> int:
    options = _options()
    done = {record["portion"]: record for record in read_lines(options.results).records}
    with tempfile.TemporaryDirectory(prefix="afa-campaign-") as place:
        for name, work in portions(options, Path(place)):
            if name in done or not any(name.startswith(part) for part in options.parts):
                continue
            started = time.monotonic()
            outcome = _outcome(name, work).as_dict()
            record = {"portion": name, **outcome, "seconds": round(time.monotonic() - started, 1)}
            done[name] = record
            with options.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
            print(f"{name}: {record['done']:,} held, {len(record['broken'])} broken", flush=True)
    return _summary(list(done.values()))


def _outcome(name: str, work: Callable[[], Outcome]) -> Outcome:
    """What a portion comes to; one that cannot be tried is broken, and the others go on."""
    try:
        return work()
    except Exception:
        return Outcome(name.rpartition(" ")[0] or name, 0, broken=[traceback.format_exc()[-2000:]])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000, help="of each kind of input")
    parser.add_argument("--kills", type=int, default=100, help="of whole processes, by fives")
    parser.add_argument("--every", type=int, default=64, help="flip every so many'th byte")
    parser.add_argument("--resumes", type=int, default=30, help="runs completed after damage")
    parser.add_argument("--crowd", type=int, default=16, help="runs at once on one storage")
    parser.add_argument("--others", type=int, default=20, help="kills of each other kind, by fives")
    parser.add_argument("--disks", type=int, default=20, help="disks that fill, of each kind")
    parser.add_argument("--clocks", type=int, default=20, help="clocks that jump, of each kind")
    parser.add_argument("--load", type=int, default=60, help="seconds of 32 clients at the page")
    parser.add_argument("--results", type=Path, default=Path("campaign.jsonl"))
    parser.add_argument("parts", nargs="*", default=[""], help="by default all")
    return parser.parse_args()


def _summary(records: list[dict]) -> int:
    held, refused, broken, seconds = Counter(), Counter(), Counter(), Counter()
    figures = {r["part"]: r["figures"] for r in records if r.get("figures")}
    for record in records:
        part = record["part"]
        held[part] += record["done"]
        refused[part] += record["refused"]
        broken[part] += len(record["broken"])
        seconds[part] += record["seconds"]
    print("\n| part | held | of these refused | broken | seconds |\n|---|---|---|---|---|")
    for part in held:
        counts = f"{held[part]:,} | {refused[part]:,} | {broken[part]}"
        print(f"| {part} | {counts} | {seconds[part]:.0f} |")
    for part, found in figures.items():
        print(f"{part}: " + ", ".join(f"{name} {value}" for name, value in found.items()))
    return int(broken.total() > 0)


if __name__ == "__main__":
    sys.exit(main())
