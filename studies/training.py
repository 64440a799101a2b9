"""How studies train: in this process, by the settings of the command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from afa_ray.config import Settings
from afa_ray.data.corpus import Corpus
from afa_ray.training.making import Further, no_more
from afa_ray.training.process import prepare_process
from afa_ray.training.session import local_session, pick_device
from afa_ray.training.worker import Job, Worker

CONFIGS = Path(__file__).parents[1] / "afa_ray" / "configs"


def trained(
    settings: Settings,
    corpus: Corpus,
    run: Path,
    gpu: bool = False,
    checkpoints: bool = True,
    further: Further = no_more,
) -> Worker:
    """A worker that has trained as the command does, in the folder `run`, which it makes.

    Args:
        gpu: whether any Target takes a GPU where there is one, and not a pretrained one alone.
        checkpoints: whether they are kept, which takes its time.
        further: objectives beside those of the settings.
    """
    run.mkdir()
    prepare_process(settings, 1)
    device = pick_device(None if gpu or settings.target.pretrained else False)
    session = local_session(run, device)
    if not checkpoints:
        session = replace(session, save=lambda name, figures, write: None)
    worker = Worker(Job(settings, corpus, run, None, further), session)
    worker.train()
    worker.refit()
    return worker
