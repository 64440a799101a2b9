"""The settings that the benchmark adds to those of `afa_ray.train`."""

from __future__ import annotations

from dataclasses import dataclass, field

from afa_ray.config import Settings, complaints

CONTENDERS = ("trainer", "plain", "afa", "naive")


@dataclass(frozen=True, kw_only=True)
class BenchmarkOptions:
    """What to time."""

    contenders: str = ",".join(CONTENDERS)
    """Which of trainer, plain, afa and naive; ratios are to the first."""
    lengths: str = "64,256"
    """Tokens of a text."""
    rounds: int = 5
    """Turns of each contender."""
    updates: int = 3
    """Updates a turn; one more before them is not timed."""
    threads: int = 0
    """Threads on a CPU; 0 for all cores."""
    random_weights: bool = False
    """Draw the weights at random: only the model's configuration is needed."""
    out: str | None = None
    """File for the figures, as JSON."""


@dataclass(frozen=True, kw_only=True)
class BenchmarkSettings(Settings):
    """Settings of a training run, and what to time."""

    benchmark: BenchmarkOptions = field(default_factory=BenchmarkOptions)


def benchmark_complaints(settings: BenchmarkSettings) -> list[str]:
    """What is wrong with the settings."""
    found, options = complaints(settings), settings.benchmark
    if not settings.target.pretrained:
        found.append("target.name = transformer: give a pretrained model, by folder or hub id")
    for name in options.contenders.split(","):
        if name not in CONTENDERS:
            found.append(
                f"benchmark.contenders: {name!r} is none; there are {', '.join(CONTENDERS)}"
            )
    if not all(part.isdigit() and int(part) > 0 for part in options.lengths.split(",")):
        found.append(f"benchmark.lengths = {options.lengths}: must be numbers such as 64,256")
    for name, value in (("rounds", options.rounds), ("updates", options.updates)):
        if value < 1:
            found.append(f"benchmark.{name} = {value}: must be at least 1")
    return found
