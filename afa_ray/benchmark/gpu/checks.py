"""Checks one after the other: what fails is a row with its reason, and the rest goes on.

Each part runs in a process of its own, which is forked before a GPU is touched: a part that hangs,
or leaves the device in a state of error, ends alone. Rows are written as they are found, so that a
part that runs out of time keeps those that it has.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

import torch

from afa_ray.errors import first_line

Figure = float | int | str


class Found(NamedTuple):
    """Figures of a check, and whether they meet its bar; None where there is none."""

    figures: dict[str, Figure]
    passed: bool | None = None


Check = tuple[str, Callable[[], Found]]
"""What is measured, and how."""


class Row(NamedTuple):
    """A check that was made: figures, or the reason why there are none."""

    part: str
    what: str
    figures: dict[str, Figure]
    passed: bool | None = None
    reason: str = ""
    seconds: float = 0.0


def begin_part(
    part: str, checks: Callable[[], Iterable[Check]], folder: Path, threads: int
) -> BaseProcess:
    """The process of a part, which goes on until `end_part`."""
    file = rows_of(part, folder)
    file.unlink(missing_ok=True)
    process = multiprocessing.get_context("fork").Process(
        target=_run_checks, args=(part, checks, file, threads)
    )
    process.start()
    return process


def end_part(part: str, process: BaseProcess, folder: Path, limit: float) -> list[Row]:
    """Wait for the process of a part, at most `limit` seconds from now; its rows."""
    process.join(limit)
    late = process.is_alive()
    with suppress(ProcessLookupError):  # it, and what it has started
        os.killpg(process.pid or 0, signal.SIGKILL)
    process.join()
    file = rows_of(part, folder)
    rows = read_rows(file) if file.exists() else []
    if late:
        rows.append(Row(part, "the rest", {}, False, f"not done within {limit:.0f} s"))
    elif process.exitcode != 0:
        rows.append(Row(part, "the rest", {}, False, f"ended with status {process.exitcode}"))
    return rows


def rows_of(part: str, folder: Path) -> Path:
    """The file that a part writes its rows to as it finds them."""
    return folder / f"{part}.jsonl"


def _run_checks(part: str, checks: Callable[[], Iterable[Check]], file: Path, threads: int) -> None:
    os.setpgrp()
    torch.set_num_threads(threads)
    for what, measure in checks():
        row = run_check(part, what, measure)
        with file.open("a", encoding="utf-8") as rows:
            rows.write(json.dumps(row._asdict()) + "\n")
        print(f"  {row.what}: {described(row)}", flush=True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    os._exit(0)  # without waiting for what libraries do at their end


def run_check(part: str, what: str, measure: Callable[[], Found]) -> Row:
    started = time.perf_counter()
    try:
        figures, passed = measure()
        if any(isinstance(f, float) and not math.isfinite(f) for f in figures.values()):
            passed = False
        reason = "" if passed is not False else "bar missed"
    except Exception as error:  # whatever a device, a driver or a library raises
        figures, passed = {}, False
        reason = f"{type(error).__name__}: {first_line(error)}"
    return Row(part, what, figures, passed, reason, round(time.perf_counter() - started, 2))


def read_rows(file: Path) -> list[Row]:
    return [Row(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]


def described(row: Row) -> str:
    figures = ", ".join(f"{name} {shown(value)}" for name, value in row.figures.items())
    return ", ".join(filter(None, (figures, _verdict(row))))


def shown(value: Figure) -> str:
    """Four significant digits."""
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def table(rows: list[Row]) -> str:
    """Markdown: a table for each part, with a column for each figure."""
    lines = []
    for part in dict.fromkeys(row.part for row in rows):
        of_part = [row for row in rows if row.part == part]
        names = list(dict.fromkeys(name for row in of_part for name in row.figures))
        lines += [f"### {part}", "", f"| {' | '.join(['', *names, ''])} |"]
        lines += ["|---" * (len(names) + 2) + "|"]
        for row in of_part:
            cells = [shown(row.figures[name]) if name in row.figures else "" for name in names]
            lines.append(f"| {' | '.join([row.what, *cells, _verdict(row)])} |")
        lines.append("")
    return "\n".join(lines)


def _verdict(row: Row) -> str:
    if row.passed is False:
        return f"**{row.reason}**"
    return "ok" if row.passed else ""
