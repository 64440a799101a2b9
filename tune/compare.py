"""`python -m tune.compare`: methods x seeds, in parallel, paired by seed, with intervals."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from afa_ray.command_line import Command, run_command
from afa_ray.errors import UserError
from tune.methods import parse_methods
from tune.options import CompareSettings, study_complaints
from tune.plots import forest_plot
from tune.runs import by_group, run_all, summarise
from tune.study import finish_study, open_study
from tune.tables import Entry

COMPARE = Command(
    "tune.compare",
    "Compare methods over several seeds: means with 95% intervals, paired differences, a plot.",
    CompareSettings,
    study_complaints,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0; 1 where some runs failed; 2 after a mistake of the user's."""
    return run_command(COMPARE, compare, sys.argv[1:] if arguments is None else arguments)


def compare(settings: CompareSettings) -> int:
    """Train all methods with all seeds, or those that are missing, and write the tables.

    Raises:
        UserError: settings or data that cannot be used. Nothing has been written then.
    """
    faults: list[str] = []
    methods = parse_methods(settings.compare.methods, settings, faults)
    if faults:
        raise UserError("\n".join(faults))
    baseline = next(iter(methods))

    def plot(found: list[Entry]) -> None:
        forest_plot(found, baseline, study.title, study.folder / "forest.png")

    may_change = ("methods", "seeds")
    with open_study(settings, may_change, list(methods.values())) as study:
        runs = [
            study.run("runs", f"{name}-seed{seed}", values, seed, group=name)
            for seed in study.seeds(settings.compare.seeds)
            for name, values in methods.items()
        ]
        failures = run_all(study, runs, f"comparing {', '.join(methods)} on {study.title}")
        figures = summarise(study, by_group(runs, methods), baseline, "method", plot)
        return finish_study(study, failures, figures)


if __name__ == "__main__":
    sys.exit(main())
