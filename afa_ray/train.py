"""`python -m afa_ray.train`: the composition root."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from afa_ray import __version__
from afa_ray.command_line import USAGE_ERROR, parse, to_yaml
from afa_ray.config import Settings, flatten
from afa_ray.console import Follower, header, summary
from afa_ray.data.corpus import Corpus, prepare_corpus
from afa_ray.errors import UserError
from afa_ray.training.finish import RESULT, train_and_finish
from afa_ray.training.mlflow_run import MlflowRun, open_mlflow_run
from afa_ray.training.session import local_session, pick_device
from afa_ray.training.worker import Job, prepare_process, total_steps, usable_cores

CONFIG = "config.yaml"
INTERRUPTED = 130  # exit status, as shells give it
MAY_CHANGE = {  # between the parts of a resumed run: they do not change what is computed
    "data.dir",
    "train.num_workers",
    "train.use_gpu",
    "train.max_failures",
    "train.checkpoint_every",
    "run.storage",
    "mlflow.uri",
    "mlflow.experiment",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0, or 2 after a mistake of the user's."""
    try:
        train(parse(sys.argv[1:] if arguments is None else arguments))
    except UserError as error:
        print(f"afa_ray.train: cannot run:\n{_indent(str(error))}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def train(settings: Settings) -> dict[str, Any]:
    """Train as `settings` say, or continue the run of that name; returns the run's result.

    Raises:
        UserError: settings or data that cannot be used. Nothing has been written then.
    """
    settings, run = _place(settings)
    if (run / RESULT).exists():
        result = json.loads((run / RESULT).read_text(encoding="utf-8"))
        print(f"{run} is complete: nothing to train. Choose another run.name for a new run.")
        print(summary(result, run))
        return result
    _require_same_settings(settings, run)
    _require_writable(run)
    print(f"preparing {settings.data.name} (word vectors are trained once, then cached)", flush=True)
    corpus = prepare_corpus(settings)
    run.mkdir(parents=True, exist_ok=True)
    if not (run / CONFIG).exists():
        (run / CONFIG).write_text(to_yaml(settings), encoding="utf-8")
    print(header(settings, corpus, run, __version__), flush=True)
    mlflow = open_mlflow_run(settings, run)
    try:
        with Follower(run, total_steps(settings, len(corpus.train))):
            _train(settings, corpus, run, mlflow)
    except BaseException as error:
        if mlflow is not None:
            mlflow.fail()
        reason = "interrupted" if isinstance(error, KeyboardInterrupt) else "ended early"
        print(f"{reason}; the same settings with --run.name {run.name} continue", file=sys.stderr)
        raise
    result = json.loads((run / RESULT).read_text(encoding="utf-8"))
    print(summary(result, run))
    return result


def _train(settings: Settings, corpus: Corpus, run: Path, mlflow: MlflowRun | None) -> None:
    if settings.train.num_workers:
        from afa_ray.training.ray_run import train_on_ray

        train_on_ray(settings, corpus, run, mlflow)
    else:
        prepare_process(settings, usable_cores())
        session = local_session(run, pick_device(settings.train.use_gpu))
        train_and_finish(Job(settings, corpus, run, mlflow), session)


def _place(settings: Settings) -> tuple[Settings, Path]:
    """The settings with the run's name filled in and paths absolute, and the run's folder."""
    name = settings.run.name or f"{settings.data.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    storage = str(Path(settings.run.storage).expanduser().absolute())
    settings = replace(settings, run=replace(settings.run, name=name, storage=storage))
    return settings, Path(storage) / name


def _require_same_settings(settings: Settings, run: Path) -> None:
    """A resumed run must go on with the settings that it was started with."""
    if not (run / CONFIG).exists():
        return
    before = yaml.safe_load((run / CONFIG).read_text(encoding="utf-8"))
    faults = [
        f"{name} = {value}: run {run.name} was started with {before[group][field]}; "
        "give the same value, or another run.name"
        for name, value in flatten(settings).items()
        for group, field in [name.split(".")]
        if name not in MAY_CHANGE and before.get(group, {}).get(field) != value
    ]
    if faults:
        raise UserError("\n".join(faults))


def _require_writable(run: Path) -> None:
    """Find out before any work that the storage folder takes files; leaves nothing behind."""
    parent = run
    while not parent.exists():
        parent = parent.parent
    try:
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:
        raise UserError(
            f"run.storage = {run.parent}: cannot write there ({error.strerror}); choose a folder "
            "that you may write to"
        ) from None


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


if __name__ == "__main__":
    sys.exit(main())
