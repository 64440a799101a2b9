"""`python -m afa_ray.train`: train a classifier with feedback for its attention, or continue a run.

The composition root.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from afa_ray import __version__
from afa_ray.command_line import TRAIN, run_command
from afa_ray.complaints import require_sound
from afa_ray.config import Settings
from afa_ray.console import Follower, header, summary
from afa_ray.data.corpus import Corpus, prepare_corpus
from afa_ray.dotted import flatten, override
from afa_ray.errors import DivergedError, UserError
from afa_ray.objectives.rival_checks import require_supervisable
from afa_ray.recipe import chosen, describe
from afa_ray.records.checkpoint import read_progress
from afa_ray.records.fingerprints import begin_run, require_same_run
from afa_ray.records.manifest import latest_checkpoint, tidy
from afa_ray.records.mlflow_client import UnreachableError
from afa_ray.records.mlflow_opening import find_or_create, open_mlflow_run
from afa_ray.records.mlflow_place import place_of_tracking
from afa_ray.records.mlflow_registry import register_model, require_registry
from afa_ray.records.mlflow_run import MlflowRun
from afa_ray.records.run_folder import (
    CONFIG,
    RESULT,
    discard,
    new_since,
    placed,
    read_result,
    require_same_choice,
    require_writable,
)
from afa_ray.records.run_lock import own_folder
from afa_ray.records.tracking import UNTRACKED
from afa_ray.track import upload_run
from afa_ray.training.dry_run import dry_run
from afa_ray.training.finish import train_and_finish
from afa_ray.training.making import Further, no_more, total_steps
from afa_ray.training.players import check_target
from afa_ray.training.process import prepare_process, usable_cores
from afa_ray.training.ray_address import require_cluster
from afa_ray.training.session import local_session, pick_device
from afa_ray.training.worker import Job

Launch = Callable[[Job], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0, 1 where training diverged, or 2 after a
    mistake of the user's."""

    def run(settings: Settings) -> int:
        train(settings)
        return 0

    return run_command(TRAIN, run, sys.argv[1:] if arguments is None else arguments)


def train(settings: Settings, further: Further = no_more) -> dict[str, Any]:
    """Train as `settings` say, or continue the run of that name; returns the run's result.

    With `train.dry_run` only say what that would take; there is no result then.

    Args:
        further: makes objectives of your own, for the Target and the corpus, beside those that the
            settings ask for. A run that is continued must be given the same.

    Raises:
        UserError: settings or data that cannot be used. Nothing has been written then.
    """
    require_sound(settings)
    if settings.train.dry_run:
        for line in dry_run(settings, _prepare(settings)):
            print(line, flush=True)
        return {}
    fresh = settings.run.name is None
    settings, run = placed(settings, f"{settings.data.name}-{time.strftime('%Y%m%d-%H%M%S')}")
    require_writable(run)
    with own_folder(run, fresh=fresh) as run:
        settings = override(settings, {"run.name": run.name})
        result = read_result(run)
        if result is None:
            _train(settings, run, further)
            result = read_result(run)
        else:
            _require_registry(settings, run)
            require_same_run(settings, run, new_since(settings, run))
            tidy(run)
            print(f"{run} is complete: nothing to train. Choose another run.name for a new run.")
            _track_the_rest(settings, run)
        assert result is not None
        try:
            told = summary(result, run)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise UserError(
                f"{run / RESULT} is not the result of a run; choose another run.name"
            ) from None
        print(told)
        _register(settings, run)
        return result


def _train(settings: Settings, run: Path, further: Further) -> None:
    """Train from the start, or from the last checkpoint in the run's folder, to the end."""
    files = require_same_run(settings, run)
    if settings.train.workers[1]:
        require_cluster()
    else:
        pick_device(settings.train.use_gpu)
    with ExitStack() as stack:
        corpus, asked = _prepare(settings), settings
        settings = chosen(settings, len(corpus.train))
        require_same_choice(settings, run)
        _require_beside(settings, corpus)
        launch = _launcher(settings, stack)
        _require_registry(settings, run)
        new = not (run / CONFIG).exists()
        begin_run(settings, run, corpus, files)
        print(header(settings, corpus, run, __version__), flush=True)
        if by_texts := describe(asked, settings):
            print(f"  chosen  {by_texts}", flush=True)
        mlflow = open_mlflow_run(settings, run)
        with Follower(run, total_steps(settings, len(corpus.train)), _announce_resume(run)):
            _guard(launch, Job(settings, corpus, run, mlflow, further), new)


def _require_beside(settings: Settings, corpus: Corpus) -> None:
    if settings.evaluate.beside is not None:
        from afa_ray.training.run_report import load_beside  # imports models of transformers

        load_beside(settings, corpus.label_names)


def _require_registry(settings: Settings, run: Path) -> None:
    if settings.mlflow.register:
        uri = place_of_tracking(settings.mlflow.uri, run)
        require_registry(uri, settings.mlflow.register)


def _track_the_rest(settings: Settings, run: Path) -> None:
    """Upload what a complete run had not handed on when its process was ended."""
    if settings.mlflow.uri == "none" or not (run / UNTRACKED).exists():
        return
    try:
        upload_run(run, _tracked(settings, run))
    except UnreachableError as problem:
        print(f"{problem}: the same command tries it again", file=sys.stderr)


def _tracked(settings: Settings, run: Path) -> MlflowRun:
    uri = place_of_tracking(settings.mlflow.uri, run)
    return find_or_create(run, uri, settings.mlflow.experiment, flatten(settings))


def _register(settings: Settings, run: Path) -> None:
    """Register the model of a complete run, where asked for, once its files are at the server."""
    name = settings.mlflow.register
    if not name:
        return
    try:
        tracked = _tracked(settings, run)
        upload_run(run, tracked, say=lambda _: None)
        print(f"registered: models:/{name}/{register_model(tracked, name)}")
    except UnreachableError as problem:
        print(f"{problem}: not registered; the same command tries it again", file=sys.stderr)


def _prepare(settings: Settings) -> Corpus:
    print(f"preparing {settings.data.name}", flush=True)
    check_target(settings)
    corpus = prepare_corpus(settings)
    require_supervisable(settings, corpus)
    return corpus


def _launcher(settings: Settings, stack: ExitStack) -> Launch:
    """What trains a job: in Ray workers, on a cluster that `stack` leaves again, or right here."""
    if settings.train.workers[1]:
        from afa_ray.training.ray_run import ray_cluster, require_resources, train_on_ray

        stack.enter_context(ray_cluster(dashboard=False))
        return partial(train_on_ray, use_gpu=require_resources(settings))
    device = pick_device(settings.train.use_gpu)

    def train_here(job: Job) -> None:
        prepare_process(settings, usable_cores())
        train_and_finish(job, local_session(job.run, device))

    return train_here


def _guard(launch: Launch, job: Job, new: bool) -> None:
    """Train; an early end is said, with what to do, and marked at the tracking server.

    Args:
        new: whether this command has made the run's folder.
    """
    try:
        launch(job)
    except UserError:  # found by a worker before it trained
        _mark_failed(job.mlflow)
        if new:
            discard(job.run)
        raise
    except DivergedError:
        _mark_failed(job.mlflow)
        raise
    except BaseException as error:
        _mark_failed(job.mlflow)
        reason = "interrupted" if isinstance(error, KeyboardInterrupt) else "ended early"
        print(
            f"{reason}; the same settings with --run.name {job.run.name} continue", file=sys.stderr
        )
        raise


def _mark_failed(mlflow: MlflowRun | None) -> None:
    try:
        if mlflow is not None:
            mlflow.set_status("FAILED")
    except UnreachableError as problem:
        print(problem, file=sys.stderr)


def _announce_resume(run: Path) -> int:
    """Say where a run continues; returns the number of updates that are done."""
    checkpoint = latest_checkpoint(run)
    if checkpoint is None:
        return 0
    progress = read_progress(checkpoint)
    print(f"  resume  after {progress.step} updates, in epoch {progress.epoch + 1}", flush=True)
    return progress.step


if __name__ == "__main__":
    sys.exit(main())
