"""`python -m tune.imbalance`: methods that learn from few texts, of which fewer are of one class.

The protocol of HuMAL (Chriqui, Yahav, Te'eni, Abbasi, arXiv 2502.06811): replicates x sizes x
shares of the rarer class, all methods on the same texts, judged by AUC on as many texts of either
class. Where the paper leaves choices open they are ours: docs/how-to/imbalance.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from afa_ray.command_line import Command, run_command
from afa_ray.errors import UserError
from afa_ray.evaluation.statistics import estimate
from afa_ray.json_files import as_json
from afa_ray.whole_files import write_whole
from tune.imbalance_draws import Cell, Pool, cells_of, draw, pool_of, settings_of_files, write_draw
from tune.imbalance_measures import FILE, measure, read_figures
from tune.imbalance_plots import curves_plot, places_plot
from tune.imbalance_table import as_tables
from tune.methods import Values, parse_methods
from tune.options import ImbalanceSettings, study_complaints
from tune.runs import is_finished, measure_all, run_all
from tune.study import Run, Study, finish_study, open_study

IMBALANCE = Command(
    "tune.imbalance",
    "Compare methods on few training texts, fewer of one class: the protocol of HuMAL.",
    ImbalanceSettings,
    study_complaints,
)
Found = dict[tuple[str, Cell], dict[int, dict[str, float]]]


class Trained(NamedTuple):
    """A run, with what it is a run of, and the file of its test texts."""

    run: Run
    method: str
    cell: Cell
    replicate: int
    test: Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0; 1 where some runs failed; 2 after a mistake of the user's."""
    return run_command(IMBALANCE, compare, sys.argv[1:] if arguments is None else arguments)


def compare(settings: ImbalanceSettings) -> int:
    """Train all methods on all draws, or those that are missing, and write the tables.

    Raises:
        UserError: settings or data that cannot be used. Nothing has been written then.
    """
    options, faults = settings.imbalance, list[str]()
    methods = parse_methods(options.methods, settings, faults, "imbalance.methods")
    if faults:
        raise UserError("\n".join(faults))
    pool = pool_of(settings, options.part)
    cells = cells_of(options, pool)
    may_change = ("methods", "sizes", "shares", "replicates")
    with open_study(settings, may_change, list(methods.values())) as study:
        failures: list[str] = []
        trained: list[Trained] = []
        for number in range(options.replicates):
            some = list(_of_replicate(study, settings, pool, cells, methods, number))
            title = f"replicate {number + 1} of {options.replicates}: {', '.join(methods)}"
            failures += run_all(study, [each.run for each in some], title)
            failures += _measure_all(study, some)
            trained += some
        return finish_study(study, failures, _write(study, settings, trained, methods, pool))


def _of_replicate(
    study: Study,
    settings: ImbalanceSettings,
    pool: Pool,
    cells: Sequence[Cell],
    methods: Mapping[str, Values],
    number: int,
) -> Iterator[Trained]:
    """The runs of a replicate, whose files are written."""
    seed = settings.train.seed
    drawn = draw(pool, cells, number, settings.imbalance, seed)
    test, train = write_draw(pool, drawn, study.folder / "texts" / f"replicate{number}")
    for cell in cells:
        files = settings_of_files(settings, train[cell], test, pool.people is not None)
        for method, values in methods.items():
            name = f"replicate{number}-{cell.name}-{method}"
            run = study.run("runs", name, {**files, **values}, seed + number, group=method)
            yield Trained(run, method, cell, number, test)


def _measure_all(study: Study, trained: Sequence[Trained]) -> list[str]:
    threads = study.resources.cpus_per_trial
    waiting = [
        each for each in trained
        if is_finished(each.run.folder) and not (each.run.folder / FILE).exists()
    ]  # fmt: skip
    return measure_all(study, _measure, [(each.run, (each.test, threads)) for each in waiting])


def _measure(run: Run, test: Path, threads: int) -> None:
    torch.set_num_threads(threads)
    measure(run.folder, test)


def _write(
    study: Study,
    settings: ImbalanceSettings,
    trained: Sequence[Trained],
    methods: Mapping[str, Values],
    pool: Pool,
) -> dict[str, float]:
    """Write and print the tables; returns the mean AUC of every method in every cell."""
    found: Found = {}
    for each in trained:
        if figures := read_figures(each.run.folder):
            found.setdefault((each.method, each.cell), {})[each.replicate] = figures
    if not found:
        return {}
    data, part = settings.data, settings.imbalance.part
    theirs = data.name == "yelp_hat" and data.train_file is None
    text = as_tables(found, list(methods), part if theirs else None, pool.names)
    write_whole(study.folder / "table.md", text)
    runs = [
        {"method": method, "size": cell.size, "share": cell.share, "replicate": number, **figures}
        for (method, cell), by_replicate in found.items()
        for number, figures in by_replicate.items()
    ]
    write_whole(study.folder / "results.json", as_json(runs, indent=1))
    print(f"\n{text}")
    curves_plot(found, list(methods), study.title, study.folder / "curves.png")
    places_plot(found, list(methods), study.title, study.folder / "places.png")
    return {
        f"{method}/{cell.name}_auc": estimate([each["auc"] for each in of.values()]).mean
        for (method, cell), of in found.items()
    }


if __name__ == "__main__":
    sys.exit(main())
