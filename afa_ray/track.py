"""`python -m afa_ray.track`: upload to MLflow, afterwards, what lies in a run's or study's folder.

It may be done at any time, again, and to any server: what is there already is left alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from afa_ray.arguments import Parser
from afa_ray.command_line import answer
from afa_ray.errors import UserError
from afa_ray.json_files import read_object
from afa_ray.metrics import flat_figures
from afa_ray.names import path_fault
from afa_ray.records.mlflow_about import files_to_keep
from afa_ray.records.mlflow_client import UnreachableError
from afa_ray.records.mlflow_opening import find_or_create
from afa_ray.records.mlflow_place import place_of_tracking
from afa_ray.records.mlflow_run import MlflowRun
from afa_ray.records.run_folder import (
    CONFIG,
    FIGURES,
    RESULT,
    has_ended,
    read_result,
    read_settings,
)
from afa_ray.records.tracking import METRICS, UNTRACKED, figure_records, read_records
from afa_ray.redaction import login_fault

PLACES = ("trials", "runs", "final")  # of the runs in a study's folder
OPTIONS = ("mlflow.uri", "mlflow.experiment")
FINISHED, FAILED = "FINISHED", "FAILED"
Say = Callable[[str], object]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0, or 2 after a mistake of the user's."""
    given = sys.argv[1:] if arguments is None else arguments

    def run() -> None:
        track(*parse(given))

    return answer("afa_ray.track", run)


def track(folder: Path, uri: str | None = None, experiment: str | None = None) -> MlflowRun:
    """Upload a run's folder, or a study's together with those of its runs, which are its children.

    Args:
        uri, experiment: where to; by default where the settings in the folder say, as for training.

    Raises:
        UserError: no such folder, or no such server. What has been uploaded then stays.
    """
    if find_spec("mlflow") is None:
        raise UserError("mlflow is not installed: pip install mlflow")
    folder = folder.expanduser().absolute()
    settings = _settings(folder)
    if uri is None and settings.get("mlflow.uri") != "none":
        uri = settings.get("mlflow.uri")
    uri = place_of_tracking(uri, folder)
    name = experiment or settings.get("mlflow.experiment")
    try:
        run = find_or_create(folder, uri, name, settings)
        filed = run.experiment()
        if experiment is not None and experiment != filed:
            print(f"{folder.name} is in the experiment {filed} at this server, and stays there")
        runs = runs_of(folder)
        for child in runs:
            upload_child(child, run)
        if runs:
            upload_study(folder, run, all(map(has_ended, runs)))
        else:
            upload_run(folder, run)
    except UnreachableError as problem:
        raise UserError(
            f"{problem}\n"
            "--mlflow.uri takes a running server, http://HOST:5000, or a database, "
            "sqlite:////FOLDER/mlflow.db; the same command goes on where this one stopped"
        ) from None
    print(f"{1 + len(runs)} run{'s' * bool(runs)} tracked: {run.page()}")
    return run


def runs_of(folder: Path) -> list[Path]:
    """The folders of a study's runs; none, if it is not a study's folder."""
    configs = [config for place in PLACES for config in folder.glob(f"{place}/*/{CONFIG}")]
    return sorted(config.parent for config in configs)


def upload_child(folder: Path, parent: MlflowRun, say: Say = print) -> None:
    """Upload what is missing of a study's run, filed under the study's.

    Raises:
        UnreachableError: the server does not do as asked.
    """
    experiment = ""  # the parent's
    child = find_or_create(folder, parent.uri, experiment, _settings(folder), parent)
    upload_run(folder, child, say)


def upload_run(folder: Path, run: MlflowRun, say: Say = print) -> None:
    """Upload what is missing of a run, which is complete or has failed, and say what it was."""
    ended, files = has_ended(folder), files_to_keep(folder)
    new = run.add_missing([*_dated_records(folder), *_final_figures(folder)])
    if ended and not new and run.status() == FINISHED and run.has_files(folder, files):
        (folder / UNTRACKED).unlink(missing_ok=True)
        say(f"{folder.name}: was tracked completely")
        return
    run.close(folder, FINISHED if ended else FAILED, _last_change(files))
    (folder / UNTRACKED).unlink(missing_ok=True)
    incomplete = "" if ended else ", of a run that is not complete"
    damaged = read_records(folder).damaged
    lost = f"; {damaged} damaged lines of {METRICS} left out" if damaged else ""
    say(f"{folder.name}: {new:,} figures, {len(files)} files{incomplete}{lost}")


def upload_study(folder: Path, run: MlflowRun, ended: bool) -> None:
    """Upload a study's own files, always, because they change when it goes on.

    Args:
        ended: whether all its runs have.
    """
    if figures := read_object(folder / FIGURES):
        run.log_changed(figures, 0)
    files = files_to_keep(folder)
    has_results = any(file.name != CONFIG for file in files)
    run.close(folder, FINISHED if ended and has_results else FAILED, _last_change(files))
    print(f"{folder.name}: {len(files)} files of the study", flush=True)


def _settings(folder: Path) -> dict[str, Any]:
    """The settings of a run or a study, by dotted name."""
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder")
    try:
        settings = read_settings(folder)
        if not all(isinstance(settings.get(name) or "", str) for name in OPTIONS):
            raise UserError
        return settings
    except UserError:
        raise UserError(
            f"{folder} holds no readable {CONFIG}: it is not the folder of a run or of a study"
        ) from None


def _dated_records(run: Path) -> list[dict[str, Any]]:
    """The records with figures; those without a time of their own have that of the last."""
    last = _last_change(files_to_keep(run))
    return [{"at": last, **record} for record in figure_records(run)]


def _final_figures(run: Path) -> list[dict[str, Any]]:
    """The figures of a complete run's result, as a record."""
    result = read_result(run)
    if result is None:
        return []
    at = (run / RESULT).stat().st_mtime
    return [{"step": result["training"]["steps"], "at": at, **flat_figures(result)}]


def _last_change(files: Sequence[Path]) -> float:
    return max(file.stat().st_mtime for file in files)


def parse(arguments: Sequence[str]) -> tuple[Path, str | None, str | None]:
    """Folder, URI and experiment.

    Raises:
        UserError: with one line for everything that is not understood.
        SystemExit: 0 after `--help`.
    """
    parser = Parser(
        prog="python -m afa_ray.track",
        usage="%(prog)s RUN_DIR [--mlflow.uri URI] [--mlflow.experiment NAME]",
        description="Upload a run's folder, complete or not, or a study's folder to MLflow; again "
        "at any time, and to any server: what is there already is not uploaded twice.",
    )
    parser.add_argument("folder", metavar="RUN_DIR", nargs="*", help="folder of a run or a study")
    parser.add_argument(
        "--mlflow.uri", dest="uri", metavar="URI",
        help="tracking server or database, by default the run's own: what it was trained with, "
        "else what MLFLOW_TRACKING_URI says, else sqlite in its parent folder",
    )  # fmt: skip
    parser.add_argument(
        "--mlflow.experiment", dest="experiment", metavar="NAME",
        help="experiment to file it under, by default the run's own",
    )  # fmt: skip
    given, faults = parser.read(arguments)
    if not faults and len(given.folder) != 1:
        faults.append(f"one folder must be given, not {len(given.folder)}: RUN_DIR")
    if given.uri and (fault := login_fault("mlflow.uri", given.uri)):
        faults.append(fault)
    if given.uri == "none":
        faults.append("mlflow.uri = none: give a tracking server or database")
    if not faults and (fault := path_fault("RUN_DIR", given.folder[0])):
        faults.append(fault)
    if faults:
        raise UserError("\n".join(faults))
    return Path(given.folder[0]), given.uri, given.experiment


if __name__ == "__main__":
    sys.exit(main())
