"""Several workers, measured here and modelled beyond; many environments at once."""

from __future__ import annotations

import statistics
import tempfile
import time
from multiprocessing import set_forkserver_preload
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from torch import Tensor, nn

from afa_ray.benchmark.options import SpeedSettings, fitting, size_of
from afa_ray.benchmark.step import (
    CPU,
    EOS,
    PAD,
    SOS,
    SPECIAL,
    gradient_bytes,
    make_learner,
    random_batches,
)
from afa_ray.benchmark.timing import turn_of
from afa_ray.training.process import prepare_process
from afa_ray.training.replicas import replicated
from envs import MaskingEnv, MaskingVectorEnv

UPDATES = 12  # timed, after three that are not
ENVIRONMENTS = 256
WORKERS_BAR, ENVIRONMENTS_BAR = 1.7, 50  # times one worker, and `SyncVectorEnv`
GPU_COUNTS = (1, 8, 64, 512)
LINKS = {"within a node, 450 GB/s": 450e9, "between nodes, 50 GB/s a GPU": 50e9}


def worker_throughput(
    settings: SpeedSettings, size: str, workers: int, averaging: bool = True
) -> float:
    """Texts a second of all workers together, each with batches of its own of `size`.

    The workers are processes with one thread each that average gradients as Ray Train's do on the
    CPUs of one machine. Without `averaging` they share nothing: what the machine itself allows.
    """
    with tempfile.TemporaryDirectory(prefix="afa_workers_") as folder:
        arguments = (workers if averaging else 1, settings, size, folder)
        set_forkserver_preload([__name__])  # imported once, whatever the number of workers
        torch.multiprocessing.start_processes(_work, arguments, workers, start_method="forkserver")
        seconds = [float(path.read_text()) for path in Path(folder).glob("seconds-*")]
    return workers * size_of(size)[0] / max(seconds)


def _work(number: int, group: int, settings: SpeedSettings, size: str, folder: str) -> None:
    prepare_process(settings, 1)
    if group > 1:
        meeting = f"file://{folder}/meeting"
        torch.distributed.init_process_group("gloo", meeting, rank=number, world_size=group)
    learner = make_learner(settings, wrap=_replicated if group > 1 else _alone)
    seconds = turn_of(learner)(random_batches(settings, size, number, UPDATES + 3))
    Path(folder, f"seconds-{number}").write_text(str(statistics.median(seconds[3:])))
    if group > 1:
        del learner
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def _replicated(module: nn.Module) -> nn.Module:
    return replicated(module, CPU, one_machine=True)


def _alone(module: nn.Module) -> nn.Module:
    return module


def modelled_efficiency(size: int, gradients: int, compute: float, link: float) -> float:
    """Weak scaling of `size` GPUs: compute / (compute + time of a ring all-reduce).

    In a ring every GPU sends and receives 2 (n - 1) / n times the gradients' bytes (Patarasuk and
    Yuan, 2009). Nothing overlaps and latency is left out.

    Args:
        gradients: bytes; compute: seconds of an update without averaging; link: bytes a second.
    """
    return compute / (compute + 2 * (size - 1) / size * gradients / link)


def vector_environments(settings: SpeedSettings) -> dict[str, float]:
    """Steps a second of many environments: one batched, against Gymnasium's `SyncVectorEnv`.

    The Discriminator is nearly free here, so that the environments are what is timed.
    """
    random = np.random.default_rng(0)
    sequences = [
        [SOS, *random.integers(SPECIAL, settings.data.vocab_size, n), EOS]
        for n in random.integers(10, 60, ENVIRONMENTS)
    ]
    arguments: dict[str, Any] = {
        "sequences": sequences,
        "discriminator": _cheap_judge,
        "k": settings.afa.k,
        "special_ids": (PAD, SOS, EOS),
    }
    torch.set_num_threads(1)
    batched = MaskingVectorEnv(ENVIRONMENTS, **arguments)
    one_by_one = gymnasium.vector.SyncVectorEnv(
        [lambda: MaskingEnv(**arguments)] * ENVIRONMENTS, autoreset_mode=AutoresetMode.SAME_STEP
    )
    return {
        "environments": ENVIRONMENTS,
        "batched": _steps_per_second(batched, 100),
        "SyncVectorEnv": _steps_per_second(one_by_one, 5),
    }


def _cheap_judge(tokens: Tensor) -> Tensor:
    return tokens.float().mean(-1)


def _steps_per_second(env: gymnasium.vector.VectorEnv, steps: int) -> float:
    env.reset(seed=0)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(steps + 1)]
    env.step(actions[0])
    started = time.perf_counter()
    for action in actions[1:]:
        env.step(action)
    return env.num_envs * steps / (time.perf_counter() - started)


def measure(settings: SpeedSettings) -> dict[str, Any]:
    """Throughputs of one and two workers, the model's table, and the environments."""
    size = settings.benchmark.worker_size
    settings = fitting(settings, size_of(size)[1])
    found: dict[str, Any] = {"size": size}
    found["workers"] = {n: worker_throughput(settings, size, n) for n in (1, 2)}
    found["two processes apart"] = worker_throughput(settings, size, 2, averaging=False)
    found["gradient_bytes"] = gradient_bytes(make_learner(settings))
    found["environments"] = vector_environments(settings)
    return found


def table(found: dict[str, Any], compute: float = 0.01) -> str:
    """Markdown.

    Args:
        compute: seconds that an update is assumed to take on a GPU.
    """
    one, two = (found["workers"][n] for n in found["workers"])
    apart, envs = found["two processes apart"], found["environments"]
    lines = [
        f"| one thread each, {found['size']} a worker | texts/s | against one |",
        "|---|---|---|",
        f"| 1 worker | {one:,.0f} | 1 |",
        f"| 2 workers | {two:,.0f} | {_beside(two / one, WORKERS_BAR, '.2f')} |",
        f"| 2 processes that share nothing | {apart:,.0f} | {apart / one:.2f} |",
        "",
        f"{envs['environments']} environments, steps a second: batched {envs['batched']:,.0f}, "
        f"`SyncVectorEnv` {envs['SyncVectorEnv']:,.0f}: "
        f"{_beside(envs['batched'] / envs['SyncVectorEnv'], ENVIRONMENTS_BAR, '.0f')}",
        "",
        f"| GPUs (modelled) | {' | '.join(LINKS)} |",
        "|---" * (1 + len(LINKS)) + "|",
    ]
    for count in GPU_COUNTS:
        shares = [
            modelled_efficiency(count, found["gradient_bytes"], compute, link)
            for link in LINKS.values()
        ]
        lines.append(f"| {count} | " + " | ".join(f"{share:.0%}" for share in shares) + " |")
    lines.append("")
    lines.append(
        f"Weak scaling: the share of {compute * 1e3:.0f} ms, assumed for an update on a GPU, in an "
        f"update with a ring all-reduce of {found['gradient_bytes'] / 1e6:.0f} MB that nothing "
        "overlaps."
    )
    return "\n".join(lines)


def _beside(times: float, bar: float, digits: str) -> str:
    return f"**{times:{digits}} times**, bar {bar}" + ("" if times >= bar else " missed")
