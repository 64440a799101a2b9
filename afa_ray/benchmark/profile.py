"""Where the time of an update goes, and how low it could go on this machine.

The floor is what four parts of it would take if each ran at the speed that it reaches here alone,
at the same sizes, again and again: products with weights, products with embeddings, the optimiser's
reads and writes (7 numbers a weight), lookups of embeddings and sums of their gradients.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.autograd.profiler_util import FunctionEventAvg
from torch.profiler import ProfilerActivity, profile

from afa_ray.benchmark.options import SpeedSettings, fitting, size_of
from afa_ray.benchmark.step import gradient_bytes, make_learner, random_batches
from afa_ray.benchmark.timing import turn_of

UPDATES = 10
SUMMED = 10_000_000  # weights of the table that Adam changes
ADAM_NUMBERS = 7  # read or written for a weight: itself, its gradient and two moments
# Of all embeddings, by Target, Discriminator and rewards forward, and by the first two back:
LOOKUPS, SUMS = 3, 2
READS, GRADIENTS = 2 * 3 + 2 * 2, 2  # products that read them, and that make their gradient
ROWS = 16  # of the table


def measure(settings: SpeedSettings) -> list[dict[str, Any]]:
    """For each random size, with one thread: operations, milliseconds, and the floor."""
    torch.set_num_threads(1)
    sizes = [size for size in settings.benchmark.sizes.split(",") if size != "imdb"]
    return [profile_update(settings, size) for size in sizes]


def profile_update(settings: SpeedSettings, size: str) -> dict[str, Any]:
    """Seconds of an update of `size` with feedback, its operations, and the parts of its floor."""
    texts, length = size_of(size)
    settings = fitting(settings, length)
    learner = make_learner(settings)
    updates, batches = turn_of(learner), random_batches(settings, size, 0, UPDATES)
    updates(batches[:3])
    seconds = statistics.mean(updates(batches))
    with profile(activities=[ProfilerActivity.CPU]) as timed:
        updates(batches)
    with profile(activities=[ProfilerActivity.CPU], with_flops=True, record_shapes=True) as counted:
        updates(batches)  # once more, for shapes take time
    operations = [
        {
            "name": e.key,
            "seconds": e.self_cpu_time_total / 1e6 / UPDATES,
            "calls": e.count / UPDATES,
        }
        for e in sorted(timed.key_averages(), key=lambda e: -e.self_cpu_time_total)
    ]
    return {
        "size": size,
        "seconds": seconds,
        "in_operations": sum(operation["seconds"] for operation in operations),
        "operations": operations[:ROWS],
        "floor": {
            "products with weights": _weight_products(
                counted.key_averages(group_by_input_shape=True), settings, texts
            ),
            "products with embeddings": {"seconds": reading_seconds(settings, texts, length)},
            "Adam": _part(ADAM_NUMBERS * gradient_bytes(learner) / 1e9, adam_speed() / 1e9, "GB"),
            "lookups": {"seconds": lookup_seconds(settings, texts * length)},
        },
    }


def _weight_products(
    events: Sequence[FunctionEventAvg], settings: SpeedSettings, texts: int
) -> dict[str, Any]:
    """The floor of all products but those with a factor for each text, its embeddings."""
    wide = settings.target.hidden_size
    x, weights = torch.randn(texts, wide), torch.randn(wide, 4 * wide)
    speed = 2 * x.numel() * 4 * wide / _best(lambda: x @ weights)
    flops = sum(e.flops for e in events if _batch(e) != texts) / UPDATES
    return _part(flops / 1e9, speed / 1e9, "GFLOP")


def _batch(event: FunctionEventAvg) -> int | None:
    """How many products a batched product is of."""
    batched = event.key in ("aten::bmm", "aten::baddbmm")
    return event.input_shapes[0][0] if batched and event.input_shapes else None


def _part(amount: float, speed: float, unit: str) -> dict[str, Any]:
    return {"seconds": amount / speed, "amount": amount, "speed": speed, "unit": unit}


def adam_speed() -> float:
    """Bytes a second that fused Adam reads and writes of a table of its own, the best of some."""
    weights = torch.nn.Parameter(torch.zeros(SUMMED))
    weights.grad = torch.ones(SUMMED)
    optimizer = torch.optim.Adam([weights], fused=True)
    return ADAM_NUMBERS * 4 * SUMMED / _best(optimizer.step)


def reading_seconds(settings: SpeedSettings, texts: int, length: int) -> float:
    """`READS` products of the attention of two copies a text with embeddings, and `GRADIENTS`."""
    rows, wide = 2 * settings.target.heads, settings.target.hidden_size
    weights, embeddings = torch.randn(texts, rows, length), torch.randn(texts, length, wide)
    both, keys = torch.randn(texts, length, 2 * rows), torch.randn(texts, 2 * rows, wide)
    return READS * _best(lambda: weights @ embeddings) + GRADIENTS * _best(lambda: both @ keys)


def lookup_seconds(settings: SpeedSettings, tokens: int) -> float:
    """`LOOKUPS` of so many tokens' embeddings, and `SUMS` of gradients into their rows."""
    table = torch.randn(settings.data.vocab_size, settings.target.hidden_size)
    rows = torch.randint(len(table), (tokens,))
    found = table.index_select(0, rows)
    return LOOKUPS * _best(lambda: table.index_select(0, rows)) + SUMS * _best(
        lambda: table.index_add_(0, rows, found)
    )


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
        floor = sum(part["seconds"] for part in found["floor"].values())
        lines += [
            f"update of {found['size']} with feedback, one thread: {1e3 * found['seconds']:.1f} ms",
            f"  profiled, in operations of PyTorch {1e3 * found['in_operations']:.1f} ms",
            f"  floor {1e3 * floor:.1f} ms, {floor / found['seconds']:.0%}",
            *(f"    {name:30} {_of_floor(part)}" for name, part in found["floor"].items()),
        ]
        for operation in found["operations"]:
            taken, calls = 1e3 * operation["seconds"], operation["calls"]
            lines.append(f"  {operation['name']:32.32} {taken:7.2f} ms {calls:6.0f} calls")
        lines.append("")
    return "\n".join([*lines, "```"])


def _of_floor(part: dict[str, Any]) -> str:
    taken = f"{1e3 * part['seconds']:7.2f} ms"
    if "unit" not in part:
        return taken
    return f"{taken}  {part['amount']:.2f} {part['unit']} at {part['speed']:.0f} {part['unit']}/s"
