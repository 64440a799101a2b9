"""What studies are made of: jobs in processes, whose figures are lines of a file."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from afa_ray.training.process import usable_cores

Row: TypeAlias = dict[str, Any]
Job = TypeVar("Job")


def read_rows(file: Path) -> list[Row]:
    """The lines of a file of figures; none where there is no such file."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [json.loads(line) for line in lines]


def done(file: Path, fields: Iterable[str]) -> set[tuple[Any, ...]]:
    """What the lines of a file of figures are of, by these fields."""
    return {tuple(row[name] for name in fields) for row in read_rows(file)}


def append_rows(file: Path, rows: Iterable[Row]) -> None:
    """Write the rows behind those that are there."""
    with file.open("a", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in rows)


def run_jobs(
    jobs: Sequence[Job],
    measure: Callable[[Job], list[Row]],
    said: Callable[[Job], str],
    file: Path,
    processes: int,
    minutes: float = math.inf,
) -> None:
    """Append the rows of each job as soon as they are found. A job that fails is told, and the
    others go on; none begins once so many minutes are over."""
    started = time.perf_counter()
    with ProcessPoolExecutor(processes) as pool:
        running = {pool.submit(measure, job): job for job in jobs}
        for count, done in enumerate(as_completed(running), start=1):
            if done.cancelled():
                continue
            job, spent = running[done], time.perf_counter() - started
            if spent > 60 * minutes:
                for future in running:
                    future.cancel()
            try:
                rows = done.result()
            except Exception:
                print(f"failed: {said(job)}\n{traceback.format_exc()}", flush=True)
                continue
            append_rows(file, rows)
            left = spent / count * (len(jobs) - count) / 60
            print(f"{count}/{len(jobs)} {said(job)} ({left:.0f} min left)", flush=True)


def names(text: str) -> list[str]:
    """An option's values, which commas part."""
    return text.split(",")


def parser_of_jobs(description: str | None) -> argparse.ArgumentParser:
    """With the options of `run_jobs`, and where the figures go."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("--processes", type=int, default=usable_cores())
    return parser


@contextlib.contextmanager
def silence() -> Iterator[None]:
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield
