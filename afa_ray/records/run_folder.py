"""The folder of a run: may it be written, is it complete, does it belong to these settings."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from afa_ray.complaints import REMOVED, removed, text_complaints
from afa_ray.config import DATA_FILES, FROM_SCRATCH, Settings
from afa_ray.dotted import S, flatten, leaves, override, to_yaml
from afa_ray.errors import UserError
from afa_ray.json_files import DamagedError, read_object
from afa_ray.metrics import flat_figures
from afa_ray.recipe import CHOSEN
from afa_ray.whole_files import write_whole
from afa_ray.yaml_files import load_yaml

CONFIG, RESULT, FINGERPRINTS = "config.yaml", "result.json", "fingerprints.json"
SPLITS = ("train", "validation", "test")  # that fingerprints tell of
TRIAL = "trial.json"  # there when a trial of a search has ended, which is not read on test
REPORT = "report.html"  # a run's page
FIGURES = "figures.json"  # of a study of many runs
MAY_CHANGE = {  # when a run is resumed: where and how it runs, not what it learns from
    "data.dir",
    "train.num_workers",
    "train.use_gpu",
    "train.max_failures",
    "train.checkpoint_every",
    "train.gradient_checkpointing",
    "train.shard",
    "train.dry_run",
    "evaluate.beside",
    "run.storage",
    "mlflow.uri",
    "mlflow.experiment",
    "mlflow.register",
}
JOB_COPIES = "/runtime_resources/working_dir_files/"  # where Ray unpacks what a job brings along
PARTS_OF_RESULT = {"test", "deletion_curve", "agreement", "validation", "training"}


def discard(run: Path) -> None:
    """Remove the folder of a run that could not begin; one that holds a checkpoint stays."""
    if not list(run.glob("checkpoint_*")):
        shutil.rmtree(run)


def has_ended(run: Path) -> bool:
    """Whether a run, or a trial of a search, was trained to its end."""
    return (run / RESULT).exists() or (run / TRIAL).exists()


def folder_of(settings: Settings) -> Path:
    """The folder of the run of these settings, which have been placed."""
    return Path(settings.run.storage) / str(settings.run.name)


def placed(settings: S, default_name: str) -> tuple[S, Path]:
    """The settings with the run's name filled in and all paths absolute, and the run's folder.

    Raises:
        UserError: see `absolute_storage` and `text_complaints`.
    """
    if faults := text_complaints(flatten(settings)):
        raise UserError("\n".join(faults))
    paths = {
        f"data.{field}": _absolute(path)
        for field in ("dir", *DATA_FILES)
        if (path := getattr(settings.data, field)) is not None
    }
    paths["target.name"] = absolute_target(settings.target.name)
    if settings.evaluate.beside is not None:
        paths["evaluate.beside"] = absolute_target(settings.evaluate.beside)
    if settings.target.vectors is not None:
        paths["target.vectors"] = _absolute(settings.target.vectors)
    name, storage = settings.run.name or default_name, absolute_storage(settings.run.storage)
    run = {"run.name": name, "run.storage": storage}
    settings = override(settings, paths | run)
    return settings, folder_of(settings)


def absolute_target(name: str) -> str:
    """A pretrained model's folder as an absolute path; any other name as it is."""
    return (
        _absolute(name) if Path(name).expanduser().is_dir() and name not in FROM_SCRATCH else name
    )


def absolute_storage(storage: str) -> str:
    """`run.storage` as an absolute path.

    Raises:
        UserError: it lies in the working directory of a Ray job, a temporary copy.
    """
    path = _absolute(storage)
    if JOB_COPIES in Path(path).as_posix():
        raise UserError(
            f"run.storage = {storage}: lies in a Ray job's copy of the working directory, which "
            "Ray deletes after the job; give an absolute folder that every node sees"
        )
    return path


def begin(settings: Settings, run: Path) -> None:
    """Make the run's folder, with its settings, unless it is there already."""
    run.mkdir(parents=True, exist_ok=True)
    if not (run / CONFIG).exists():
        write_whole(run / CONFIG, to_yaml(settings))


def require_writable(run: Path) -> None:
    """Find out before any work that the storage folder takes files; leaves nothing behind.

    Raises:
        UserError: it does not.
    """
    try:
        parent = run
        while not parent.exists():
            parent = parent.parent
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:
        raise UserError(
            f"run.storage = {run.parent}: cannot write there ({error.strerror}); choose a folder "
            "that you may write to"
        ) from None


def read_result(run: Path) -> dict[str, Any] | None:
    """The result of a complete run; None where the run is not complete.

    Raises:
        UserError: there is a `result.json` that is not a run's result.
    """
    file = run / RESULT
    try:
        result = read_object(file)
        if result is None:
            return None
        if not result.keys() >= PARTS_OF_RESULT or type(result["training"]["steps"]) is not int:
            raise KeyError
        flat_figures(result)
        return result
    except (DamagedError, KeyError, TypeError, AttributeError):
        raise UserError(f"{file} is not the result of a run; choose another run.name") from None


def read_fingerprints(run: Path) -> dict[str, dict[str, Any]]:
    """What a run's folder says of its data, `{"files": {what: {"sha256", "count"}}, "corpus": …}`;
    empty where an earlier version began it.

    Raises:
        DamagedError: it says something else.
    """
    found = read_object(run / FINGERPRINTS) or {}
    try:
        for one in (one for part in found.values() for one in part.values()):
            if type(one["sha256"]) is not str or type(one["count"]) is not int:
                raise TypeError
        return found
    except (AttributeError, KeyError, TypeError):
        raise DamagedError(
            f"{run / FINGERPRINTS} is damaged: put it back from a copy, or remove it, and the data "
            "are compared with those of the last checkpoint alone"
        ) from None


def require_same_settings(
    settings: Settings,
    run: Path,
    may_change: Collection[str] = MAY_CHANGE,
) -> None:
    """A resumed run must go on with the settings that it was started with, but for `may_change`.

    What is None is left to data or model, and no other than what was chosen then.

    Raises:
        UserError: other settings, or a folder that holds something else than a run.
    """
    if not run.exists() or all(file.name.startswith(".") for file in run.iterdir()):
        return  # at most what was being written when an earlier start was killed
    before = read_settings(run)
    faults = [
        f"{name} = {value}: run {run.name} was started with {before.get(name, 'another version')}; "
        "give the same value, or another run.name"
        for name, value in flatten(settings).items()
        if name not in may_change and (name not in before or before[name] != value)
        if not (value is None and _is_what_was_chosen(name, settings, before))
    ]
    faults += [fault for n in REMOVED.keys() & before if (fault := removed(n, before[n]))]
    if faults:
        raise UserError("\n".join(faults))


def _is_what_was_chosen(name: str, settings: Settings, before: dict[str, Any]) -> bool:
    if name == "target.word2vec":  # by the kind of model, of which an older version chose another
        return before.get(name) == settings.target.begins_with_word2vec
    return name in CHOSEN


def new_since(settings: Settings, run: Path) -> set[str]:
    """The settings that the version which began a run had not yet, where they are the default."""
    before, default = read_settings(run), flatten(type(settings)())
    return {n for n, v in flatten(settings).items() if n not in before and v == default[n]}


def require_same_choice(settings: Settings, run: Path) -> None:
    """What was left to the data must be chosen as it was when the run was started.

    Raises:
        UserError: it is not, for it depends on the number of workers, too.
    """
    require_same_settings(settings, run, may_change=flatten(settings).keys() - {*CHOSEN})


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())


def read_settings(run: Path) -> dict[str, Any]:
    """The settings that a run was started with, by dotted name."""
    try:
        content = load_yaml((run / CONFIG).read_text(encoding="utf-8"))
        settings = dict(leaves(content))
        if not all("." in name for name in settings):
            raise ValueError
        return settings
    except (OSError, ValueError, AttributeError):
        raise UserError(
            f"{run} is not empty and holds no readable {CONFIG} of a run; choose another run.name"
        ) from None
