"""The trials of a search, handed to Ray Tune; what they found is read from their folders."""

from __future__ import annotations

import itertools
import logging
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import tune as ray_tune
from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search import BasicVariantGenerator

from afa_ray.config import Settings, decided
from afa_ray.data.corpus import Corpus
from afa_ray.dotted import override
from afa_ray.json_files import read_object
from afa_ray.recipe import chosen
from afa_ray.records.mlflow_client import UnreachableError
from afa_ray.records.mlflow_run import MlflowRun
from afa_ray.records.run_folder import CONFIG, TRIAL, read_settings
from afa_ray.track import upload_child
from tune.options import Resources, SearchOptions
from tune.scoreboard import Scoreboard
from tune.space import Space, describe, draw, for_tune
from tune.study import LOST_WORKERS, Study
from tune.trial import end_trial, train_trial

TUNE = {  # set before Tune starts; each can be overridden from outside
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # an interrupted search must not look like a complete one
}
METRIC, EPOCH = "score", "epoch"
REDUCTION = 3  # asha: a third of the trials goes on at each rung


@dataclass(frozen=True)
class EndedTrial:
    """What a trial drew, its best validation score, and whether it was ended early."""

    name: str
    values: dict[str, Any]
    score: float
    epoch: int
    stopped_early: bool


def run_trials(study: Study, options: SearchOptions, space: Space) -> list[str]:
    """Run the trials that have not ended; returns a sentence for each that failed.

    Trials that have ended before report again what their folders hold: that is how Tune's scheduler
    and search algorithm learn about them, and the reason why Tune's own (pickled) state is neither
    kept nor needed.
    """
    for name, value in TUNE.items():
        os.environ.setdefault(name, value)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # what failed is said below
    train = chosen(study.settings, len(ray.get(study.corpus).train)).train
    state, numbers = study.folder / ".tune", itertools.count()
    resources = {"CPU": options.cpus_per_trial, "GPU": options.gpus_per_trial}
    shutil.rmtree(state, ignore_errors=True)
    base = study.run("trials", "trial", {}, train.seed, group="trial").settings
    trainable = ray_tune.with_parameters(
        _trial, base=base, corpus=study.corpus, resources=options, parent=study.mlflow
    )
    title = f"searching {', '.join(space)} on {study.title}"
    with Scoreboard(title, options.samples, study) as board:
        follower = Follower(study, board)
        tuner = ray_tune.Tuner(
            ray_tune.with_resources(trainable, resources),
            param_space=for_tune(space),
            tune_config=ray_tune.TuneConfig(
                metric=METRIC,
                mode="max",
                search_alg=_algorithm(study, options, space),
                scheduler=_scheduler(options, decided(train.epochs)),
                num_samples=options.samples,
                max_concurrent_trials=None if options.algorithm == "random" else study.slots,
                reuse_actors=True,
                trial_name_creator=lambda _: f"trial-{next(numbers):03}",
            ),
            run_config=ray_tune.RunConfig(
                name="state",
                storage_path=str(state),
                verbose=0,
                callbacks=[follower],
                failure_config=ray_tune.FailureConfig(max_failures=LOST_WORKERS),
            ),
        )
        try:
            tuner.fit()
        finally:  # Tune's own state has pickles in it
            shutil.rmtree(state, ignore_errors=True)
    return follower.failures


def _trial(
    values: dict[str, Any],
    base: Settings,
    corpus: Corpus,
    resources: Resources,
    parent: MlflowRun | None,
) -> None:
    """What Tune runs for each trial."""
    name = ray_tune.get_context().get_trial_name()
    settings = override(base, {**values, "run.name": name})
    train_trial(settings, base, corpus, resources, parent, ray_tune.report)


def _scheduler(options: SearchOptions, epochs: int) -> TrialScheduler:
    if options.scheduler == "fifo":
        return FIFOScheduler()
    return AsyncHyperBandScheduler(
        time_attr=EPOCH,
        max_t=epochs,
        grace_period=min(options.grace_epochs, epochs),
        reduction_factor=REDUCTION,
        stop_last_trials=False,
    )


def _algorithm(study: Study, options: SearchOptions, space: Space) -> Any:
    """Random draws are the same at every start; Optuna is first given those drawn before.

    Tune itself limits how many trials run at once with Optuna alone.
    """
    seed = study.settings.train.seed
    if options.algorithm == "random":
        return BasicVariantGenerator(max_concurrent=options.max_concurrent, random_state=seed)
    from ray.tune.search.optuna import OptunaSearch

    logging.getLogger("optuna").setLevel(logging.WARNING)
    there = {_number(folder): folder for folder in _folders(study)}
    drawn = [
        _drawn(there[number], space) if number in there else draw(space, [seed, number])
        for number in range(max(there, default=-1) + 1)  # some had no folder yet when it was killed
    ]
    return OptunaSearch(points_to_evaluate=drawn or None, seed=seed + len(drawn))


class Follower(Callback):
    """Tells the user how the trials go, and closes each that has ended."""

    def __init__(self, study: Study, board: Scoreboard) -> None:
        self._study, self._board = study, board
        self.failures: list[str] = []

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune saves its callbacks; this one is not continued from there

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        folder, about = self._folder(trial), describe(trial.config)
        if (folder / TRIAL).exists():  # it only reports again
            self._board.found(folder, about)
        else:
            self._board.started(folder, about)

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        folder = self._folder(trial)
        early = end_trial(folder, early=True)
        self._close_tracking(folder)
        self._board.ended(folder, "ended early" if early else "done")

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        folder = self._folder(trial)
        reason = _reason(trial)
        self.failures.append(f"{folder.name}: {reason}")
        self._board.ended(folder, "failed", reason)

    def _close_tracking(self, folder: Path) -> None:
        if self._study.mlflow is not None:
            with suppress(UnreachableError):  # the study uploads what is missing in the end
                upload_child(folder, self._study.mlflow, say=lambda _: None)

    def _folder(self, trial: Trial) -> Path:
        return self._study.folder / "trials" / str(trial)


def _reason(trial: Trial) -> str:
    """Why a trial failed, in a line: from Tune's own file, of which a copy may be half-written."""
    file = Path(trial.error_file or "")
    said = file.read_text(encoding="utf-8").strip() if file.is_file() else ""
    return (said or "its process was lost").splitlines()[-1]


def ended_trials(study: Study, space: Space) -> list[EndedTrial]:
    """The trials that have ended, by number."""
    found = []
    for folder in _folders(study):
        if (folder / TRIAL).exists():
            best = decided(read_object(folder / TRIAL))
            values = _drawn(folder, space)
            found.append(
                EndedTrial(
                    folder.name, values, best["val/score"], best["epoch"], best["stopped_early"]
                )
            )
    return found


def _folders(study: Study) -> list[Path]:
    folders = [path.parent for path in study.folder.glob(f"trials/*/{CONFIG}")]
    return sorted(folders, key=_number)


def _number(folder: Path) -> int:
    return int(folder.name.rsplit("-")[-1])


def _drawn(folder: Path, space: Space) -> dict[str, Any]:
    """What a trial's settings have for the searched names."""
    settings = read_settings(folder)
    return {name: settings[name] for name in space}
