"""What a run would need, before it is begun: parameters, memory, and the speed of three updates."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch
from torch import nn

from afa_ray.config import Settings, decided
from afa_ray.data.batches import Batch, batch_count
from afa_ray.data.corpus import Corpus
from afa_ray.errors import UserError
from afa_ray.models import Discriminator
from afa_ray.recipe import chosen
from afa_ray.training.learner import Learner
from afa_ray.training.making import batches_for, make_learner
from afa_ray.training.memory import Memory, activation_memory, add, parameter_memory
from afa_ray.training.process import prepare_process, usable_cores
from afa_ray.training.session import local_session, pick_device

UPDATES = 3
GB = 1e9


def dry_run(settings: Settings, corpus: Corpus) -> Iterator[str]:
    """Lines for the user: parameters, estimated memory, and the speed of one worker's updates.

    Nothing is written. The first update, of the longest texts, is not timed. A Target that is to be
    sharded is whole here.

    Raises:
        UserError: it does not fit into the memory of the GPU.
    """
    settings = chosen(settings, len(corpus.train))
    device = pick_device(settings.train.use_gpu)
    prepare_process(settings, usable_cores())
    before = peak_memory(device)
    yield "dry run: one worker's share in this process; nothing is written"
    learner, notes = make_learner(settings, corpus, local_session(Path(), device))
    yield from (f"  note          {note}" for note in notes)
    yield _parameters("target", learner.target)
    if (judge := learner.players.get("discriminator")) is not None:
        yield _parameters("judge", judge)
    share = {"epoch": 0, "workers": max(1, settings.train.workers[1])}
    longest = max(batches_for(learner, corpus, **share), key=lambda batch: batch.tokens.size)
    yield _estimate(settings, learner, longest)
    try:
        learner.update(longest, 0)
    except torch.OutOfMemoryError as error:
        raise UserError(
            "dry run: that does not fit into the GPU's memory; try target.lora.r, target.dtype "
            "bfloat16, train.gradient_checkpointing, train.accumulation_steps or train.shard"
        ) from error
    yield _measured(peak_memory(device) - before, longest, device)
    timed = list(islice(batches_for(learner, corpus, **share), UPDATES))
    tokens, seconds = _time(learner, timed)
    yield from _speed(settings, corpus, timed, tokens, seconds)


def _time(learner: Learner, batches: list[Batch]) -> tuple[int, float]:
    """Real tokens read, and the seconds that took."""
    learner.sums.zero_().sum().item()  # no work is left from before
    started = time.perf_counter()
    for step, batch in enumerate(batches, start=1):
        learner.update(batch, step)
    tokens = int(learner.sums[-1].item())  # reads the device: all work is done
    return tokens, time.perf_counter() - started


def _speed(
    settings: Settings, corpus: Corpus, timed: list[Batch], tokens: int, seconds: float
) -> list[str]:
    updates = batch_count(len(corpus.train), decided(settings.train.batch_size))
    minutes = updates * seconds / len(timed) / 60
    return [
        f"  speed         {len(timed)} updates of {len(timed[0].labels)} texts in {seconds:.2f} s: "
        f"{tokens / seconds:,.0f} tokens/s a worker",
        f"  an epoch      {updates:,} updates, about {minutes:.1f} min",
    ]


def _parameters(name: str, player: nn.Module) -> str:
    total = sum(p.numel() for p in player.parameters())
    trained = sum(p.numel() for p in player.parameters() if p.requires_grad)
    share = f"{trained:,} trained ({trained / total:.2%})"
    return f"  {name:<14}{total:,} parameters, {share}"


def _estimate(settings: Settings, learner: Learner, longest: Batch) -> str:
    estimate = estimate_memory(settings, learner, longest)
    parts = {
        "weights": estimate.weights,
        "gradients": estimate.gradients,
        "Adam": estimate.adam,
        "activations": estimate.activations,
    }
    listed = ", ".join(f"{name} {size / GB:.2f}" for name, size in parts.items())
    return f"  memory        {estimate.total / GB:.2f} GB a worker, estimated: {listed}"


def _measured(peak: float, longest: Batch, device: torch.device) -> str:
    shape = " x ".join(map(str, longest.tokens.shape))
    place = "on the GPU" if device.type == "cuda" else "in this process"
    return f"                {peak / GB:.2f} GB measured {place} with a batch of {shape} tokens"


def estimate_memory(settings: Settings, learner: Learner, longest: Batch) -> Memory:
    """What one worker of a run with these settings needs, if `longest` is its longest batch."""
    train = settings.train
    shards = train.workers[1] if train.shard else 1
    memory = parameter_memory(learner.target, shards)
    judge = learner.players.get("discriminator")
    twin = settings.discriminator.judge == "twin" and judge is not None
    if judge is not None:
        of = parameter_memory(judge)
        learns = "discriminator" in learner.optimizers
        memory = add(memory, of if learns else Memory(of.weights, 0, 0, 0))
    if isinstance(judge, Discriminator):
        memory = replace(memory, weights=memory.weights + judge.frozen_bytes)
    if settings.target.pretrained:
        half = settings.target.dtype == "bfloat16" or learner.device.type == "cuda"
        positions = longest.tokens.size // train.accumulation_steps
        kept = activation_memory(
            learner.target.config, positions, 2 if half else 4, train.gradient_checkpointing
        )
        copies = 3 if twin else 1  # it reads texts and their copies, while the Target's are kept
        memory = replace(memory, activations=kept * copies)
    return memory


def peak_memory(device: torch.device) -> float:
    """Most bytes in use so far: of the GPU's memory, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
