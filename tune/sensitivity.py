"""`python -m tune.sensitivity`: one setting over a list of values x seeds, with intervals.

With its defaults this is figure 5 of Liu (arXiv 2512.20661): k from 1 to 5, five runs each.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from afa_ray.command_line import Command, run_command
from afa_ray.errors import UserError
from tune.options import SensitivitySettings, study_complaints
from tune.plots import sensitivity_plot
from tune.runs import by_group, run_all, summarise
from tune.space import parse_values
from tune.study import finish_study, open_study
from tune.tables import Entry

SENSITIVITY = Command(
    "tune.sensitivity",
    "Vary one setting over several seeds: means with 95% intervals, differences, a plot.",
    SensitivitySettings,
    study_complaints,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0; 1 where some runs failed; 2 after a mistake of the user's."""
    return run_command(SENSITIVITY, vary, sys.argv[1:] if arguments is None else arguments)


def vary(settings: SensitivitySettings) -> int:
    """Train with all values and seeds, or those that are missing, and write table and plot.

    Raises:
        UserError: settings or data that cannot be used. Nothing has been written then.
    """
    options = settings.sensitivity
    faults: list[str] = []
    setting = options.setting
    values = parse_values(setting, options.values, settings, faults)
    if faults:
        raise UserError("\n".join(faults))
    name = setting.split(".")[-1]

    def plot(found: list[Entry]) -> None:
        sensitivity_plot(found, setting, study.title, study.folder / "sensitivity.png")

    with open_study(settings, may_change=("values", "seeds")) as study:
        runs = [
            study.run("runs", f"{name}-{value}-seed{seed}", {setting: value}, seed, str(value))
            for seed in study.seeds(options.seeds)
            for value in values
        ]
        failures = run_all(study, runs, f"{setting} {options.values} on {study.title}")
        found = by_group(runs, map(str, values))
        figures = summarise(study, found, str(values[0]), setting, plot)
        return finish_study(study, failures, figures)


if __name__ == "__main__":
    sys.exit(main())
