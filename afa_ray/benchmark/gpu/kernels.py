"""Where the time of an update of the single layer goes on a GPU, and what launches cost.

An update launches hundreds of small kernels. What their sum falls short of the update's time, the
device waits for the next launch: the most that CUDA graphs could save.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import DeviceType
from torch.autograd.profiler_util import FunctionEventAvg
from torch.profiler import ProfilerActivity, profile

from afa_ray.benchmark.gpu.checks import Check, Figure, Found
from afa_ray.benchmark.gpu.clock import timed
from afa_ray.benchmark.gpu.options import GpuSettings, sized
from afa_ray.benchmark.gpu.same import METHODS
from afa_ray.benchmark.options import size_of
from afa_ray.benchmark.step import PAD, finish, make_learner, random_batches
from afa_ray.benchmark.timing import turn_of
from afa_ray.dotted import override
from afa_ray.models import Target
from afa_ray.models.precision import autocast
from afa_ray.training.learner import Learner
from afa_ray.training.session import pick_device

ROWS = 8


def checks(settings: GpuSettings) -> Iterator[Check]:
    device = pick_device(settings.train.use_gpu)
    size, updates = ("2x16", 2) if settings.benchmark.small else ("64x64", 20)
    small, settings = settings.benchmark.small, sized(settings)
    for method in ("plain", "original", "explainable"):
        yield f"{size}, {method}", partial(launches, settings, method, size, updates, device)
    method = "original"
    if small:  # tracing takes seconds: of one player, and draws break it in two
        method, settings = "plain", override(settings, {"target.dropout": 0.0})
    players = METHODS[method](settings)
    yield f"{size}, {method}, torch.compile", lambda: compiled(players, size, updates, device)
    tried = len(VARIANTS) if device.type == "cuda" else 1 if small else 2
    for name, change in [*VARIANTS.items()][:tried]:
        yield (
            f"{size}, Target forward and backward, {name}",
            partial(pass_time, settings, size, updates, device, change),
        )


def launches(
    settings: GpuSettings, method: str, size: str, updates: int, device: torch.device
) -> Found:
    """An update's time, its kernels' sum and number, and the largest of them by name."""
    settings = METHODS[method](settings)
    learner = make_learner(settings, device)
    turn, batches = turns(learner, settings, size, updates)
    seconds = statistics.median(turn(batches)[1:])
    with profile(activities=activities(learner.device)) as found:
        turn(batches[:-1])
    on = DeviceType.CUDA if learner.device.type == "cuda" else DeviceType.CPU
    kernels = [
        event
        for event in found.key_averages()
        if event.device_type == on and not event.key.startswith("Optimizer.")  # spans of kernels
    ]
    busy = sum(map(own_time, kernels)) / updates
    figures: dict[str, Figure] = {
        "update (ms)": 1e3 * seconds,
        "kernels (ms)": 1e3 * busy,
        "launches": sum(event.count for event in kernels) // updates,
        "busy": f"{busy / seconds:.0%}",
    }
    largest = sorted(kernels, key=own_time, reverse=True)[:ROWS]
    figures["largest"] = "; ".join(
        f"{event.key[:50].replace('|', ' ')} {1e3 * own_time(event) / updates:.3f} ms"
        for event in largest
    )
    return Found(figures)


def turns(
    learner: Learner, settings: GpuSettings, size: str, updates: int
) -> tuple[Callable, list]:
    """What times updates, and one batch more than are counted."""
    return turn_of(learner, finish(learner.device)), random_batches(settings, size, 0, updates + 1)


def activities(device: torch.device) -> list[ProfilerActivity]:
    both = [ProfilerActivity.CPU, ProfilerActivity.CUDA]
    return both if device.type == "cuda" else both[:1]


def own_time(event: FunctionEventAvg) -> float:
    """Seconds of an operation or kernel without those that it calls."""
    on_gpu = event.device_type == DeviceType.CUDA
    return (event.self_device_time_total if on_gpu else event.self_cpu_time_total) / 1e6


def compiled(settings: GpuSettings, size: str, updates: int, device: torch.device) -> Found:
    """An update whose players are compiled."""
    learner = make_learner(settings, device, lambda module: compile_for(device, module))
    turn, batches = turns(learner, settings, size, updates)
    turn(batches[:3])
    return Found({"update (ms)": 1e3 * statistics.median(turn(batches)[1:])})


def compile_for(device: torch.device, module: nn.Module) -> nn.Module:
    """As `torch.compile` does on a GPU; elsewhere traced alone."""
    backend = "inductor" if device.type == "cuda" else "eager"
    return cast(nn.Module, torch.compile(module, backend=backend))


class Reading(nn.Module):
    """The Target as a function of tensors to tensors, which a graph can hold."""

    def __init__(self, target: Target) -> None:
        super().__init__()
        self.target = target

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        output = self.target(tokens, attention_mask=tokens != PAD)
        return output.logits, output.attention_row


def as_cuda_graph(module: nn.Module, tokens: Tensor) -> nn.Module:
    return cast(nn.Module, torch.cuda.make_graphed_callables(module, (tokens,)))


VARIANTS: dict[str, Callable[[nn.Module, Tensor], nn.Module]] = {
    "as it is": lambda module, tokens: module,
    "torch.compile": lambda module, tokens: compile_for(tokens.device, module),
    "CUDA graph": as_cuda_graph,
}


def pass_time(
    settings: GpuSettings,
    size: str,
    times: int,
    device: torch.device,
    change: Callable[[nn.Module, Tensor], nn.Module],
) -> Found:
    """Milliseconds of one forward and backward pass of the Target, without optimiser."""
    target = make_learner(override(settings, {"afa.lambda_adv": 0.0}), device).target
    assert isinstance(target, Target)
    texts, length = size_of(size)
    tokens = torch.randint(5, settings.data.vocab_size, (texts, length), device=device)
    labels = torch.zeros(texts, dtype=torch.int64, device=device)
    with autocast(device, settings.train.precision):
        torch.set_autocast_cache_enabled(False)  # a graph may not hold what is cached outside it
        module = change(Reading(target.train()), tokens)

        def forward_and_backward() -> None:
            target.zero_grad(set_to_none=False)
            logits, _ = module(tokens)
            F.cross_entropy(logits.float(), labels).backward()

        seconds = timed(forward_and_backward, device, times)
    return Found({"pass (ms)": 1e3 * statistics.median(seconds)})
