"""How a model is trained: what the command is given, and objectives or parts of the study's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file
from torch import nn

from afa_ray.command_line import parse
from afa_ray.config import Settings
from afa_ray.data.corpus import Corpus
from afa_ray.models import AnyTarget
from afa_ray.objectives.interface import Weighed
from afa_ray.training.making import no_more
from afa_ray.training.process import prepare_process
from afa_ray.training.session import local_session
from afa_ray.training.worker import Job, Worker
from studies.faithful.run import pretrained_folder
from studies.faithful.ways.head import head_beside, with_head
from studies.faithful.ways.teachers import by_copies, by_gates, taught
from studies.training import CONFIGS

EXPLAINABLE = ("--config", str(CONFIGS / "explainable.yaml"))
PLAIN = ("--afa.lambda_adv", "0")


def as_it_is(target: Any) -> Any:
    return target


class Form(NamedTuple):
    """What the command is given; objectives beside; what is made of the Target; whether it begins
    where plain training ended, and has one epoch."""

    given: tuple[str, ...]
    further: Callable[[AnyTarget, Corpus], Sequence[Weighed]] = no_more
    make: Callable[[Any], nn.Module] = as_it_is
    begins: bool = False


FORMS: dict[str, Form] = {
    "plain": Form(PLAIN),
    "explainable": Form(EXPLAINABLE),
    "dose": Form((*EXPLAINABLE, "--afa.lambda_adv", "1")),
    "words": Form((*EXPLAINABLE, "--afa.lambda_adv", "1", "--afa.unit", "word")),
    "taught by gates": Form(PLAIN, taught(by_gates, 0.3)),
    "taught by copies": Form(PLAIN, taught(by_copies, 0.3)),
    "head": Form(
        (*EXPLAINABLE, "--afa.lambda_adv", "1"), head_beside(alone=False), with_head(alone=False)
    ),
    "head alone": Form(
        (*EXPLAINABLE, "--afa.lambda_adv", "1"), head_beside(alone=True), with_head(alone=True)
    ),
    "afterwards": Form((*EXPLAINABLE, "--afa.lambda_adv", "1"), begins=True),
    "plain afterwards": Form(PLAIN, begins=True),
    "taught by gates afterwards, .3": Form(PLAIN, taught(by_gates, 0.3), begins=True),
    "taught by gates afterwards": Form(PLAIN, taught(by_gates, 1.0), begins=True),
    "taught by copies afterwards": Form(PLAIN, taught(by_copies, 1.0), begins=True),
}


def settings_of(form: str, data: str, seed: int, folder: str, steps: int | None) -> Settings:
    given = ["--config", str(CONFIGS / "pretrained.yaml"), *FORMS[form].given]
    given += ["--target.name", str(pretrained_folder("minilm")), "--train.deletion_weight", "0"]
    given += ["--data.name", data, "--train.seed", str(seed), "--mlflow.uri", "none"]
    for part in ("train", "test"):
        given += [f"--data.{part}_file", f"{folder}/{part}.csv"]
    if FORMS[form].begins:
        given += ["--train.epochs", "1"]
    if steps:
        given += ["--train.max_steps", str(steps)]
    return parse([*given, "--train.num_workers", "0"])


def train_form(
    form: str, settings: Settings, corpus: Corpus, run: Path, base: Path
) -> tuple[Any, int]:
    """A trained Target, and its updates.

    Args:
        base: weights of the plainly trained model, for forms that begin there.
    """
    run.mkdir()
    prepare_process(settings, 1)
    session = local_session(run, torch.device("cpu"))
    worker = Worker(Job(settings, corpus, run, None, FORMS[form].further), session)
    if FORMS[form].begins:
        worker.learner.target.load_state_dict(load_file(base))
    worker.train()
    return worker.learner.target.eval(), worker.progress.step
