"""Whole training runs side by side: each a Ray task, each an ordinary run folder.

Everything lies in those folders, so a study that was cut short goes on where it was: complete runs
are read, the others continue from their checkpoints.
"""

from __future__ import annotations

import shutil
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from afa_ray.config import Settings, flatten
from afa_ray.data.corpus import Corpus, prepare_corpus
from afa_ray.training.finish import train_and_finish
from afa_ray.training.mlflow_run import MlflowRun, open_mlflow_run
from afa_ray.training.run_folder import begin, read_result, require_same_settings
from afa_ray.training.session import local_session, pick_device
from afa_ray.training.worker import Job, prepare_process
from tune.options import Resources
from tune.progress import Progress
from tune.study import Run, Study, close
from tune.tables import Values, measured

READ_BY_CORPUS = ("target.hidden_size", "target.word2vec", "train.seed")


def run_all(study: Study, runs: Sequence[Run], title: str) -> list[str]:
    """Train all runs that are not complete; returns a sentence for each that failed."""
    import ray

    resources = study.resources
    train = ray.remote(train_run).options(
        num_cpus=resources.cpus_per_trial, num_gpus=resources.gpus_per_trial, max_retries=2
    )
    corpora = Corpora(study)
    waiting = [run for run in runs if read_result(run.folder) is None]
    running: dict[Any, Run] = {}
    failures: list[str] = []
    with Progress(title, len(runs), study) as progress:
        for run in runs:
            if run not in waiting:
                progress.found(run.folder)
        while waiting or running:
            while waiting and len(running) < study.slots:
                run = waiting.pop(0)
                progress.started(run.folder)
                job = train.remote(run.settings, corpora.of(run.settings), resources, study.mlflow)
                running[job] = run
            (job, *_), _ = ray.wait(list(running), num_returns=1)
            run = running.pop(job)
            failure = _failure(job)
            progress.ended(run.folder, "failed" if failure else "done", failure)
            if failure:
                failures.append(f"{run.folder.name}: {failure}")
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
    """The prepared corpora in the object store: one for all runs that read the same data."""

    def __init__(self, study: Study) -> None:
        import ray

        self._prepared = {corpus_key(study.settings): ray.put(study.corpus)}
        self._prepare = ray.remote(prepare_corpus).options(num_cpus=1)

    def of(self, settings: Settings) -> Any:
        """A reference to the corpus of `settings`, which is prepared when it is first asked for."""
        key = corpus_key(settings)
        if key not in self._prepared:
            self._prepared[key] = self._prepare.remote(settings)
        return self._prepared[key]


def corpus_key(settings: Settings) -> tuple[tuple[str, Any], ...]:
    """Settings with equal keys have equal corpora."""
    return tuple(
        (name, value)
        for name, value in flatten(settings).items()
        if name.startswith("data.") or name in READ_BY_CORPUS
    )


def train_run(
    settings: Settings, corpus: Corpus, resources: Resources, parent: MlflowRun | None
) -> None:
    """Train one run in this process, evaluate it and write its result; or continue it.

    Raises:
        UserError: its folder belongs to a run with other settings.
    """
    folder = Path(settings.run.storage) / str(settings.run.name)
    require_same_settings(settings, folder)
    begin(settings, folder)
    prepare_process(settings, resources.cpus_per_trial)
    mlflow = open_mlflow_run(settings, folder, parent) if parent else None
    device = pick_device(resources.gpus_per_trial > 0)
    try:
        train_and_finish(Job(settings, corpus, folder, mlflow), local_session(folder, device))
    except BaseException:
        (folder / "error.txt").write_text(traceback.format_exc(), encoding="utf-8")
        close(mlflow, "FAILED")
        raise
    drop_checkpoints(folder)


def drop_checkpoints(folder: Path) -> None:
    """A complete run has nothing to continue from: in a study of many that would fill the disk."""
    for checkpoint in folder.glob("checkpoint_*"):
        shutil.rmtree(checkpoint)
    (folder / "error.txt").unlink(missing_ok=True)


def by_group(runs: Sequence[Run]) -> Values:
    """The measures of the complete runs."""
    values: Values = {}
    for run in runs:
        result = read_result(run.folder)
        if result is not None:
            values.setdefault(run.group, {})[run.settings.train.seed] = measured(result)
    return values
