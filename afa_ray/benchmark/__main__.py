"""`python -m afa_ray.benchmark`: what training with feedback costs, beside what people use.

Parts: `step`, an update beside its peers; `profile`, where its time goes; `surroundings`, all that
is no update; `memory`; `scale`, workers and environments. Figures, tables and plots are written to
`benchmark.out`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from afa_ray.benchmark import memory, profile, scale, step, surroundings
from afa_ray.benchmark.options import SpeedSettings, speed_complaints
from afa_ray.benchmark.plots import plot_memory, plot_updates
from afa_ray.command_line import Command, run_command
from afa_ray.training.process import prepare_process, usable_cores

MEASURES: dict[str, Callable[[SpeedSettings], Any]] = {
    "step": step.measure,
    "profile": profile.measure,
    "surroundings": surroundings.measure,
    "memory": memory.measure,
    "scale": scale.measure,
}
TABLES: dict[str, Callable[[Any], str]] = {
    "step": step.table,
    "profile": profile.table,
    "surroundings": surroundings.table,
    "memory": memory.table,
    "scale": scale.table,
}
PLOTS: dict[str, Callable[[Any, Path], None]] = {"step": plot_updates, "memory": plot_memory}


def run(settings: SpeedSettings) -> int:
    """Measure part after part; each leaves its files as soon as it is done."""
    prepare_process(settings, usable_cores())
    out = Path(settings.benchmark.out)
    out.mkdir(parents=True, exist_ok=True)
    for part in settings.benchmark.parts.split(","):
        found = json.loads(json.dumps(MEASURES[part](settings)))  # as it will be read again
        table = TABLES[part](found)
        (out / f"{part}.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
        (out / f"{part}.md").write_text(table + "\n", encoding="utf-8")
        if part in PLOTS:
            PLOTS[part](found, out / f"{part}.png")
        print(f"{table}\n", flush=True)
    print(f"figures, tables and plots: {out}/")
    return 0


BENCHMARK = Command(
    "afa_ray.benchmark",
    "Time training with adversarial feedback beside what people use.",
    SpeedSettings,
    speed_complaints,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    return run_command(BENCHMARK, run, sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())
