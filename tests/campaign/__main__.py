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
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from afa_ray.json_files import read_lines
from tests.campaign import folders, inputs, processes
from tests.campaign.rules import Outcome, hold

PORTION = 500  # cases that are one line of the results


def portions(
    options: argparse.Namespace, place: Path
) -> Iterator[tuple[str, Callable[[], Outcome]]]:
    """(name, work) of all that is to be done; a name stands for the same cases always."""
    for part, (strategy, check) in (inputs.PARTS | folders.PARTS).items():
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
    for seed in range(options.kills // 5):
        uri = "none" if seed % 2 else f"sqlite:///{place}/kills/mlflow.db"
        folder = place / ("kills" if seed % 2 else "kills-tracked")
        yield f"kills {seed}", lambda n=seed, f=folder, u=uri: processes.kill(f, n, 5, u)
    if options.crowd:
        yield f"crowd {options.crowd}", lambda: processes.crowd(place / "crowd", 0, options.crowd)


def main() -> int:
    options = _options()
    done = {record["portion"]: record for record in read_lines(options.results).records}
    with tempfile.TemporaryDirectory(prefix="afa-campaign-") as place:
        for name, work in portions(options, Path(place)):
            if name in done or not any(name.startswith(part) for part in options.parts):
                continue
            started = time.monotonic()
            outcome = work().as_dict()
            record = {"portion": name, **outcome, "seconds": round(time.monotonic() - started, 1)}
            done[name] = record
            with options.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
            print(f"{name}: {record['done']:,} held, {len(record['broken'])} broken", flush=True)
    return _summary(list(done.values()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000, help="of each kind of input")
    parser.add_argument("--kills", type=int, default=100, help="of whole processes, by fives")
    parser.add_argument("--every", type=int, default=64, help="flip every so many'th byte")
    parser.add_argument("--resumes", type=int, default=30, help="runs completed after damage")
    parser.add_argument("--crowd", type=int, default=16, help="runs at once on one storage")
    parser.add_argument("--results", type=Path, default=Path("campaign.jsonl"))
    parser.add_argument("parts", nargs="*", default=[""], help="by default all")
    return parser.parse_args()


def _summary(records: list[dict]) -> int:
    held, refused, broken, seconds = Counter(), Counter(), Counter(), Counter()
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
    return int(broken.total() > 0)


if __name__ == "__main__":
    sys.exit(main())
