"""Where the time of an update goes, and how low it could go on this machine.

The floor is what its arithmetic and its memory traffic would take if each ran at the speed that a
large matrix product, and Adam alone, reach here: all floating-point operations of products, the
optimiser's reads and writes (7 numbers a weight), and the embeddings' (read and written once in
each forward and backward pass).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from afa_ray.benchmark.options import SpeedSettings, fitting, size_of
from afa_ray.benchmark.step import gradient_bytes, make_learner, random_batches
from afa_ray.benchmark.timing import turn_of

UPDATES = 10
SIDE = 1024  # of the matrices of the large product
SUMMED = 10_000_000  # weights of the table
ADAM_NUMBERS = 7  # read or written for a weight: itself, its gradient and two moments
ROWS = 16  # of the table


def measure(settings: SpeedSettings) -> list[dict[str, Any]]:
    """For each random size, with one thread: operations, milliseconds, and the floor."""
    torch.set_num_threads(1)
    sizes = [size for size in settings.benchmark.sizes.split(",") if size != "imdb"]
    return [profile_update(settings, size) for size in sizes]


def profile_update(settings: SpeedSettings, size: str) -> dict[str, Any]:
    """Seconds of an update of `size` with feedback, its operations, and what they need at least."""
    texts, length = size_of(size)
    settings = fitting(settings, length)
    learner = make_learner(settings)
    updates, batches = turn_of(learner), random_batches(settings, size, 0, UPDATES)
    updates(batches[:3])
    seconds = statistics.mean(updates(batches))
    with profile(activities=[ProfilerActivity.CPU], with_flops=True) as recorded:
        updates(batches)
    events = recorded.key_averages()
    operations = [
        {
            "name": e.key,
            "seconds": e.self_cpu_time_total / 1e6 / UPDATES,
            "calls": e.count / UPDATES,
        }
        for e in sorted(events, key=lambda e: -e.self_cpu_time_total)
    ]
    passes = 2 * (2 + 2 + 1)  # Target and Discriminator forward and backward, rewards forward
    return {
        "size": size,
        "seconds": seconds,
        "operations": operations[:ROWS],
        "flops": sum(e.flops for e in events) / UPDATES,
        "adam_bytes": ADAM_NUMBERS * gradient_bytes(learner),
        "embedding_bytes": passes * 4 * texts * length * settings.target.hidden_size,
        "flops_per_second": product_speed(),
        "bytes_per_second": memory_speed(),
    }


def product_speed() -> float:
    """Floating-point operations a second of a large product, the best of some."""
    a, b = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)
    return 2 * SIDE**3 / _best(lambda: a @ b)


def memory_speed() -> float:
    """Bytes a second that fused Adam reads and writes of a table of its own, the best of some."""
    weights = torch.nn.Parameter(torch.zeros(SUMMED))
    weights.grad = torch.ones(SUMMED)
    optimizer = torch.optim.Adam([weights], fused=True)
    return ADAM_NUMBERS * 4 * SUMMED / _best(optimizer.step)


def _best(action: Callable[[], object]) -> float:
    seconds = []
    for _ in range(8):
        started = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def table(results: list[dict[str, Any]]) -> str:
    """Text in a fixed pitch, as Markdown."""
    lines = ["```text"]
    for found in results:
        products = found["flops"] / found["flops_per_second"]
        adam = found["adam_bytes"] / found["bytes_per_second"]
        words = found["embedding_bytes"] / found["bytes_per_second"]
        floor = products + adam + words
        lines += [
            f"update of {found['size']} with feedback, one thread: {1e3 * found['seconds']:.1f} ms",
            f"  floor {1e3 * floor:.1f} ms ({floor / found['seconds']:.0%}): "
            f"products {1e3 * products:.1f} ms ({found['flops'] / 1e9:.2f} GFLOP at "
            f"{found['flops_per_second'] / 1e9:.0f} GFLOP/s), Adam {1e3 * adam:.1f} ms "
            f"({found['adam_bytes'] / 1e6:.0f} MB at {found['bytes_per_second'] / 1e9:.0f} GB/s), "
            f"embeddings {1e3 * words:.1f} ms ({found['embedding_bytes'] / 1e6:.0f} MB)",
        ]
        for operation in found["operations"]:
            taken, calls = 1e3 * operation["seconds"], operation["calls"]
            lines.append(f"  {operation['name']:32.32} {taken:7.2f} ms {calls:6.0f} calls")
        lines.append("")
    return "\n".join([*lines, "```"])
