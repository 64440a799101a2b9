"""`python -m afa_ray.train`: the composition root."""

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
from afa_ray.config import Settings
from afa_ray.console import Follower, header, summary
from afa_ray.data.corpus import Corpus, prepare_corpus
from afa_ray.errors import UserError
from afa_ray.training.checkpoint import latest_checkpoint, read_progress
from afa_ray.training.dry_run import dry_run
from afa_ray.training.finish import train_and_finish
from afa_ray.training.mlflow_run import MlflowRun, UnreachableError, open_mlflow_run
from afa_ray.training.players import check_target
from afa_ray.training.recipe import chosen, describe
from afa_ray.training.run_folder import (
    begin,
    discard,
    placed,
    read_result,
    require_same_settings,
    require_writable,
)
from afa_ray.training.session import local_session, pick_device
from afa_ray.training.worker import Job, prepare_process, total_steps, usable_cores

Launch = Callable[[Job], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0, or 2 after a mistake of the user's."""

    def run(settings: Settings) -> int:
        train(settings)
        return 0

    return run_command(TRAIN, run, sys.argv[1:] if arguments is None else arguments)


def train(settings: Settings) -> dict[str, Any]:
    """Train as `settings` say, or continue the run of that name; returns the run's result.

    With `train.dry_run` only say what that would take; there is no result then.

    Raises:
        UserError: settings or data that cannot be used. Nothing has been written then.
    """
    if settings.train.dry_run:
        for line in dry_run(settings, _prepare(settings)):
            print(line, flush=True)
        return {}
    settings, run = placed(settings, f"{settings.data.name}-{time.strftime('%Y%m%d-%H%M%S')}")
    require_writable(run)
    result = read_result(run)
    if result is not None:
        print(f"{run} is complete: nothing to train. Choose another run.name for a new run.")
        print(summary(result, run))
        return result
    require_same_settings(settings, run)
    with ExitStack() as stack:
        corpus, asked = _prepare(settings), settings
        settings = chosen(settings, len(corpus.train))
        require_same_settings(settings, run)
        launch = _launcher(settings, stack)
        begin(settings, run)
        print(header(settings, corpus, run, __version__), flush=True)
        if by_texts := describe(asked, settings):
            print(f"  chosen  {by_texts}", flush=True)
        mlflow = open_mlflow_run(settings, run)
        with Follower(run, total_steps(settings, len(corpus.train)), _announce_resume(run)):
            _guard(launch, Job(settings, corpus, run, mlflow))
    result = read_result(run)
    assert result is not None
    print(summary(result, run))
    return result


def _prepare(settings: Settings) -> Corpus:
    print(f"preparing {settings.data.name}", flush=True)
    check_target(settings)
    return prepare_corpus(settings)


def _launcher(settings: Settings, stack: ExitStack) -> Launch:
    """What trains a job: in Ray workers, on a cluster that `stack` leaves again, or right here."""
    if settings.train.workers[1]:
        from afa_ray.training.ray_run import ray_cluster, require_resources, train_on_ray

        stack.enter_context(ray_cluster())
        return partial(train_on_ray, use_gpu=require_resources(settings))
    device = pick_device(settings.train.use_gpu)

    def train_here(job: Job) -> None:
        prepare_process(settings, usable_cores())
        train_and_finish(job, local_session(job.run, device))

    return train_here


def _guard(launch: Launch, job: Job) -> None:
    """Train; an early end is said, with what to do, and marked at the tracking server."""
    try:
        launch(job)
    except UserError:  # found by a worker before it trained
        _mark_failed(job.mlflow)
        discard(job.run)
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
