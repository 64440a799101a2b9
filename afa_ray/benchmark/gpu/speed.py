"""An update of the single layer beside what people use, in float32 and in bfloat16."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from afa_ray.benchmark.gpu.checks import Check, Figure, Found
from afa_ray.benchmark.gpu.options import GpuSettings, sized
from afa_ray.benchmark.options import SpeedOptions, SpeedSettings, size_of
from afa_ray.benchmark.step import time_size
from afa_ray.benchmark.timing import median, ratio
from afa_ray.dotted import override
from afa_ray.models.precision import Precision

CONTENDERS = ["textbook", "trainer", "plain", "afa", "explainable"]
RATIOS = [("afa", "textbook"), ("afa", "plain"), ("explainable", "plain")]
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")  # of all contenders


def checks(settings: GpuSettings) -> Iterator[Check]:
    small = settings.benchmark.small
    for size in ("4x16", "2x32") if small else ("64x16", "64x64", "32x256", "16x512"):
        for precision in PRECISIONS:
            yield f"{size}, {precision}", partial(compare, settings, size, precision)


def compare(settings: GpuSettings, size: str, precision: Precision) -> Found:
    """Milliseconds of an update of each contender, and ratios by round."""
    rounds, updates = (1, 1) if settings.benchmark.small else (5, 10)
    given = sized(settings)
    timed = SpeedSettings(
        data=given.data,
        target=given.target,
        discriminator=given.discriminator,
        train=given.train,
        benchmark=SpeedOptions(rounds=rounds, updates=updates),
    )
    seconds = time_size(override(timed, {"train.precision": precision}), size, CONTENDERS)
    figures: dict[str, Figure] = {f"{n} (ms)": 1e3 * median(s) for n, s in seconds.items()}
    for ours, theirs in RATIOS:
        figures[f"{ours} / {theirs}"] = str(ratio(seconds[ours], seconds[theirs]))
    texts, length = size_of(size)
    figures["afa (tokens/s)"] = texts * length / median(seconds["afa"])
    return Found(figures)
