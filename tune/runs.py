"""Whole training runs side by side: each a Ray task, each an ordinary run folder.

Everything lies in those folders, so a study that was cut short goes on where it was: complete runs
are read, the others continue from their checkpoints.
"""

from __future__ import annotations

import shutil
import traceback
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

from afa_ray.config import Settings
from afa_ray.data.corpus import Corpus, prepare_corpus
from afa_ray.dotted import flatten
from afa_ray.errors import UserError
from afa_ray.records.fingerprints import begin_run
from afa_ray.records.mlflow_client import UnreachableError
from afa_ray.records.mlflow_opening import open_mlflow_run
from afa_ray.records.mlflow_run import MlflowRun
from afa_ray.records.run_folder import CONFIG, TRIAL, folder_of, read_result, require_same_settings
from afa_ray.records.run_lock import own_folder
from afa_ray.supervision import GAZE, OF_LEXICON, OF_PEOPLE, OF_WORDS
from afa_ray.track import upload_run
from afa_ray.training.finish import train_and_finish
from afa_ray.training.process import prepare_process
from afa_ray.training.session import local_session, pick_device
from afa_ray.training.worker import Job
from tune.options import Resources
from tune.scoreboard import Scoreboard
from tune.study import LOST_WORKERS, Run, Study, close
from tune.tables import Entry, Measurements, main_measures, means, measured, write_tables

ERROR = "error.txt"  # in the folder of a run that failed: why
Task = Callable[[Settings, Corpus, Resources, MlflowRun | None], None]
READ_BY_CORPUS = (
    "target.name", "target.hidden_size", "target.word2vec", "target.vectors", "target.bag_of_words",
    "afa.unit", "train.seed", "train.refit",
)  # fmt: skip


def run_all(study: Study, runs: Sequence[Run], title: str, task: Task | None = None) -> list[str]:
    """Train all runs that are not complete; returns a sentence for each that failed.

    Args:
        task: what is done with each; by default `train_run`.

    Raises:
        UserError: some runs are there already, with other settings. Nothing is trained then.
    """
    import ray

    _require_same_settings(runs)
    resources = study.resources
    train = ray.remote(task or train_run).options(
        num_cpus=resources.cpus_per_trial,
        num_gpus=resources.gpus_per_trial,
        max_retries=LOST_WORKERS,
    )
    corpora = Corpora(study)
    waiting = [run for run in runs if not is_finished(run.folder)]
    running: dict[Any, Run] = {}
    failures: list[str] = []
    with Scoreboard(title, len(runs), study) as board:
        for run in runs:
            if run not in waiting:
                board.found(run.folder)
        while waiting or running:
            while waiting and len(running) < study.slots:
                run = waiting.pop(0)
                board.started(run.folder)
                job = train.remote(run.settings, corpora.of(run.settings), resources, study.mlflow)
                running[job] = run
            if waiting:
                corpora.expect(waiting[0].settings)
            (job, *_), _ = ray.wait(list(running), num_returns=1)
            run = running.pop(job)
            failure = _failure(job)
            board.ended(run.folder, "failed" if failure else "done", failure)
            if failure:
                failures.append(f"{run.folder.name}: {failure}")
    return failures


def _require_same_settings(runs: Sequence[Run]) -> None:
    """All runs that are there must be those that are asked for; foreign folders fail later."""
    faults: list[str] = []
    for run in runs:
        if (run.folder / CONFIG).exists():
            try:
                require_same_settings(run.settings, run.folder)
            except UserError as error:
                faults += str(error).splitlines()
    if faults:
        raise UserError("\n".join(faults))


def is_finished(folder: Path) -> bool:
    """Whether a run is complete, and was closed at the tracking server: checkpoints go last."""
    complete = read_result(folder) is not None or (folder / TRIAL).exists()
    return complete and not any(folder.glob("checkpoint_*"))


def measure_all(
    study: Study, task: Callable[..., None], jobs: Sequence[tuple[Run, tuple[Any, ...]]]
) -> list[str]:
    """Do `task(run, *arguments)` for each of the complete runs, side by side; returns a sentence
    for each that failed."""
    import ray

    resources = study.resources
    remote = ray.remote(task).options(
        num_cpus=resources.cpus_per_trial, num_gpus=resources.gpus_per_trial
    )
    references = [(run, remote.remote(run, *arguments)) for run, arguments in jobs]
    failures = []
    for number, (run, job) in enumerate(references, 1):
        if failure := _failure(job):
            failures.append(f"{run.folder.name}: {failure}")
        else:
            print(f"measured {run.folder.name} ({number} of {len(jobs)})", flush=True)
    return failures


def _failure(job: Any) -> str:
    """Why a task failed, in a line; empty where it did not."""
    import ray

    try:
        ray.get(job)
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None) or error
        return (str(cause).strip() or type(cause).__name__).splitlines()[-1]
    return ""


class Corpora:
    """The prepared corpora in the object store: one for all runs that read the same data.

    Data are read here, in the driver, whose folders and environment the workers need not have.
    """

    def __init__(self, study: Study) -> None:
        ready: Future[Any] = Future()
        ready.set_result(study.corpus)
        self._prepared = {corpus_key(study.settings): ready}

    def expect(self, settings: Settings) -> Future[Any]:
        """Have the corpus of `settings` prepared in the background, unless it is or was."""
        key = corpus_key(settings)
        if key not in self._prepared:
            self._prepared[key] = found = Future[Any]()
            Thread(target=_prepare, args=(settings, found), daemon=True).start()
        return self._prepared[key]

    def of(self, settings: Settings) -> Any:
        """A reference to the corpus of `settings`."""
        return self.expect(settings).result()


def _prepare(settings: Settings, found: Future[Any]) -> None:
    import ray

    try:
        found.set_result(ray.put(prepare_corpus(settings)))
    except BaseException as error:
        found.set_exception(error)


def corpus_key(settings: Settings) -> tuple[tuple[str, Any], ...]:
    """Settings with equal keys have equal corpora."""
    values = {
        name: value
        for name, value in flatten(settings).items()
        if name.startswith("data.") or name in READ_BY_CORPUS
    }
    method = settings.supervision.method
    values["words are counted"] = settings.target.pretrained and method in OF_WORDS
    values["people are asked"] = method in OF_PEOPLE
    values["a lexicon is read"] = method in OF_LEXICON
    values["eyes were followed"] = method == GAZE
    return tuple(values.items())


def train_run(
    settings: Settings, corpus: Corpus, resources: Resources, parent: MlflowRun | None
) -> None:
    """Train one run in this process, evaluate it and write its result; or continue it.

    Raises:
        UserError: its folder belongs to a run with other settings or data, or another process
            works there.
    """
    with own_folder(folder_of(settings)) as folder:
        require_same_settings(settings, folder)
        begin_run(settings, folder, corpus)
        mlflow = open_mlflow_run(settings, folder, parent) if parent else None
        if read_result(folder) is None:
            _train_here(Job(settings, corpus, folder, mlflow), resources)
        if mlflow is not None:
            with suppress(UnreachableError):  # the study uploads what is missing in the end
                upload_run(folder, mlflow)
        drop_checkpoints(folder)


def _train_here(job: Job, resources: Resources) -> None:
    prepare_process(job.settings, resources.cpus_per_trial)
    device = pick_device(resources.gpus_per_trial > 0)
    try:
        train_and_finish(job, local_session(job.run, device))
    except BaseException:
        (job.run / ERROR).write_text(traceback.format_exc(), encoding="utf-8")
        close(job.mlflow, "FAILED")
        raise


def drop_checkpoints(folder: Path) -> None:
    """A complete run has nothing to continue from: in a study of many that would fill the disk."""
    for pattern in (".checkpoint_*", "checkpoint_*"):
        for checkpoint in folder.glob(pattern):
            shutil.rmtree(checkpoint)
    (folder / ERROR).unlink(missing_ok=True)


def by_group(runs: Sequence[Run], groups: Iterable[str]) -> Measurements:
    """The measures of the complete runs, in the order of `groups`."""
    values: Measurements = {}
    for group in groups:
        for run in runs:
            result = read_result(run.folder) if run.group == group else None
            if result is not None:
                values.setdefault(group, {})[run.settings.train.seed] = measured(result)
    return values


def summarise(
    study: Study,
    values: Measurements,
    baseline: str,
    heading: str,
    plot: Callable[[list[Entry]], None],
) -> dict[str, float]:
    """Write and print the tables, and the plot of the main measures; returns the means."""
    if not values:
        return {}
    found = write_tables(study.folder, values, baseline, heading)
    plot(main_measures(found))
    return means(found)
