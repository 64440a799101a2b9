"""One trial of a search: a training run that is not read on test, reported epoch by epoch.

A trial is a run folder like any other, and everything it has to say is in there. A search that was
killed simply starts again over the same trials: each first reports the epochs that its folder
holds, and then, unless it had ended, goes on from its checkpoint.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from afa_ray.config import Settings
from afa_ray.data.corpus import Corpus, prepare_corpus
from afa_ray.errors import UserError
from afa_ray.json_files import as_json, read_object
from afa_ray.records.fingerprints import begin_run
from afa_ray.records.mlflow_client import UnreachableError
from afa_ray.records.mlflow_opening import open_mlflow_run
from afa_ray.records.mlflow_run import MlflowRun
from afa_ray.records.run_folder import TRIAL, folder_of, require_same_settings
from afa_ray.records.run_lock import own_folder
from afa_ray.records.tracking import epoch_records
from afa_ray.track import upload_child
from afa_ray.training.process import prepare_process
from afa_ray.training.session import Session, local_session, pick_device
from afa_ray.training.worker import Job, Worker
from afa_ray.whole_files import write_whole
from tune.options import Resources
from tune.runs import ERROR, corpus_key, drop_checkpoints
from tune.study import close

Report = Callable[[dict[str, float]], None]


def train_trial(
    settings: Settings,
    shared: Settings,
    corpus: Corpus,
    resources: Resources,
    parent: MlflowRun | None,
    report: Report,
) -> None:
    """Train, or continue, or only report again, one trial.

    Args:
        settings: the trial's, with its folder; shared: those that `corpus` was prepared for.
        report: is told each epoch's figures; it does not return when the trial is ended early.
    """
    with own_folder(folder_of(settings)) as folder:
        require_same_settings(settings, folder)
        best = BestSoFar(report)
        for figures in epoch_records(folder):
            best.report(figures)
        if (folder / TRIAL).exists():
            return
        if corpus_key(settings) != corpus_key(shared):
            corpus = prepare_corpus(settings)
        begin_run(settings, folder, corpus)
        mlflow = open_mlflow_run(settings, folder, parent) if parent else None
        _train_here(Job(settings, corpus, folder, mlflow), resources, best)
        end_trial(folder, early=False)


def _train_here(job: Job, resources: Resources, best: BestSoFar) -> None:
    prepare_process(job.settings, resources.cpus_per_trial)
    device = pick_device(resources.gpus_per_trial > 0)
    try:
        Worker(job, _reporting(local_session(job.run, device), best)).train()
    except Exception:
        (job.run / ERROR).write_text(traceback.format_exc(), encoding="utf-8")
        close(job.mlflow, "FAILED")
        raise


def validate_run(
    settings: Settings, corpus: Corpus, resources: Resources, parent: MlflowRun | None
) -> None:
    """Train one run in this process, on which only validation has a say: test is never read."""
    train_trial(settings, settings, corpus, resources, parent, lambda _: None)
    if parent is not None:
        with suppress(UnreachableError):  # the study uploads what is missing in the end
            upload_child(folder_of(settings), parent, say=lambda _: None)


class BestSoFar:
    """Reports the best score so far, as Tune's schedulers expect of a figure that is to grow."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._score = -math.inf

    def report(self, figures: Mapping[str, float]) -> None:
        """Figures of an epoch, `epoch` and `val/…`."""
        self._score = max(self._score, figures["val/score"])
        self._report({"epoch": figures["epoch"], "score": self._score})


def _reporting(session: Session, best: BestSoFar) -> Session:
    """The session, with a report of each epoch after its checkpoint is safe."""

    def save(name: str, figures: dict[str, float], write: Callable[[Path], None]) -> None:
        session.save(name, figures, write)
        if figures:  # not at checkpoints within an epoch
            best.report(figures)

    return replace(session, save=save)


def end_trial(folder: Path, *, early: bool) -> bool:
    """Mark a trial as ended, unless it is; returns whether it was ended early.

    Its best epoch is written to `trial.json`. Nothing continues it, so its checkpoints go.
    """
    if not (folder / TRIAL).exists():
        epochs = epoch_records(folder)
        if not epochs:
            raise UserError(f"{folder} has lost its records: remove it, and it is trained again")
        best = max(epochs, key=lambda record: record["val/score"])
        write_whole(folder / TRIAL, as_json({"stopped_early": early, **best}, indent=1))
        drop_checkpoints(folder)
    return bool((read_object(folder / TRIAL) or {}).get("stopped_early"))
