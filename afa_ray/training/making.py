"""A learner for a corpus, the batches it reads, and how many updates that may take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch
from torch import nn

from afa_ray.config import Settings, decided
from afa_ray.data.batches import Batch, batch_count, worker_batches
from afa_ray.data.corpus import Corpus
from afa_ray.data.tokenizer import special_ids
from afa_ray.models import AnyTarget
from afa_ray.objectives.interface import Weighed
from afa_ray.objectives.making import Making
from afa_ray.objectives.rivals import rivals
from afa_ray.recipe import chosen
from afa_ray.training.learner import Learner, build_learner
from afa_ray.training.players import build_players
from afa_ray.training.session import Session

M = TypeVar("M", bound=nn.Module)
Further = Callable[[AnyTarget, Corpus], Sequence[Weighed]]
"""Objectives of one's own for a Target, on its device, and a corpus; called in every worker."""


def no_more(target: AnyTarget, corpus: Corpus) -> Sequence[Weighed]:
    """No objectives but those that the settings ask for."""
    return ()


def batches_for(learner: Learner, corpus: Corpus, **share: int) -> Iterator[Batch]:
    """A worker's share of an epoch as a learner reads it; `share` as `worker_batches` takes it."""
    return worker_batches(
        corpus.train,
        batch_size=learner.batch_size,
        seed=learner.options.seed,
        needs=learner.needs,
        pad_id=learner.pad_id,
        **share,
    )


def make_learner(
    settings: Settings, corpus: Corpus, session: Session, further: Further = no_more
) -> tuple[Learner, list[str]]:
    """A learner with fresh players on the session's device, and notes for the user."""
    tokenizer = corpus.tokenizer
    target, discriminator, notes = build_players(settings, corpus)
    if not session.sharded:
        to_device(target, session.device)
    making = Making(
        settings,
        corpus,
        target,
        session.device,
        session.add_up if not session.sharded else lambda tensor: None,
        session.wrap,
        rank=0 if session.sharded else session.rank,
        workers=1 if session.sharded else session.workers,
    )
    learner = build_learner(
        settings,
        target,
        None if discriminator is None else to_device(discriminator, session.device),
        special_ids=special_ids(tokenizer),
        pad_id=tokenizer.pad_token_id,
        mask_id=tokenizer.mask_token_id,
        device=session.device,
        wrap=session.wrap,
        rank=session.rank,
        add_up=session.add_up,
        total_steps=total_steps(settings, len(corpus.train)),
        further=[*rivals(making), *further(target, corpus)],
    )
    return learner, notes


def to_device(module: M, device: torch.device) -> M:
    module.to(device)
    return module


def total_steps(settings: Settings, texts: int) -> int:
    """Updates of a whole run if patience does not end it before."""
    train = chosen(settings, texts).train
    most = batch_count(texts, decided(train.batch_size)) * decided(train.epochs)
    return min(most, train.max_steps or most)
