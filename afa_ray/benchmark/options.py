"""The settings that the benchmarks add to those of `afa_ray.train`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from afa_ray.complaints import complaints
from afa_ray.config import DiscriminatorSettings, Settings, TargetSettings, TrainSettings
from afa_ray.dotted import S, override

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


PARTS = ("step", "profile", "surroundings", "memory", "scale")
UPDATE_CONTENDERS = ("textbook", "trainer", "textbook-afa", "plain", "afa", "explainable")


@dataclass(frozen=True, kw_only=True)
class SpeedOptions:
    """What to time, and how long."""

    parts: str = ",".join(PARTS)
    """Which of step, profile, surroundings, memory and scale."""
    sizes: str = "64x16,64x64,32x256,16x512,imdb"
    """Texts x tokens of an update; imdb: 60 of its texts, of all lengths."""
    contenders: str = ",".join(UPDATE_CONTENDERS)
    """Which of textbook, trainer, textbook-afa, plain, afa and explainable."""
    threads: str = "1,2"
    """Threads on a CPU."""
    rounds: int = 3
    """Turns of each contender."""
    updates: int = 2
    """Updates a turn; one more before them is not timed."""
    worker_size: str = "64x64"
    """Texts x tokens of an update of each of several workers."""
    lengths: str = "64,256,1024,4096"
    """Tokens of a text whose memory is measured."""
    rows: str = "125000,500000,2000000"
    """Rows of the corpora whose preparation is measured."""
    out: str = "benchmark"
    """Folder for figures (JSON), tables (Markdown) and plots."""


@dataclass(frozen=True, kw_only=True)
class PaperSettings(Settings):
    """Settings of a training run, those of the paper by default, whose sizes are timed."""

    target: TargetSettings = field(
        default_factory=lambda: TargetSettings(hidden_size=512, bag_of_words=False)
    )
    discriminator: DiscriminatorSettings = field(
        default_factory=lambda: DiscriminatorSettings(hidden_size=512, pairing="original")
    )
    train: TrainSettings = field(
        default_factory=lambda: TrainSettings(
            batch_size=64, target_lr=1e-4, discriminator_lr=1e-4, warmup_steps=0, average=0
        )
    )


@dataclass(frozen=True, kw_only=True)
class SpeedSettings(PaperSettings):
    """Settings of a training run, and what to time of it."""

    benchmark: SpeedOptions = field(default_factory=SpeedOptions)


def fitting(settings: S, length: int) -> S:
    """Settings with positions for texts of `length` tokens."""
    return override(settings, {"data.max_length": max(length, settings.data.max_length)})


def size_of(size: str) -> tuple[int, int]:
    """Texts and tokens of `64x16`."""
    texts, length = size.split("x")
    return int(texts), int(length)


def speed_complaints(settings: SpeedSettings) -> list[str]:
    """What is wrong with the settings."""
    found, options = complaints(settings), settings.benchmark
    if settings.target.pretrained:
        found.append(
            "target.name: the single layer is timed here; use afa_ray.benchmark.pretrained"
        )
    if not settings.afa.lambda_adv:
        found.append("afa.lambda_adv = 0: without feedback there is nothing to compare")
    if settings.discriminator.judge != "trained":
        found.append(
            f"discriminator.judge = {settings.discriminator.judge}: afa is timed with a "
            "Discriminator; the contender explainable is one that judges itself"
        )
    found += unknown_names("parts", options.parts, PARTS)
    found += unknown_names("contenders", options.contenders, UPDATE_CONTENDERS)
    for name in ("lengths", "rows", "threads"):
        found += _not_numbers(name, getattr(options, name))
    for name in ("sizes", "worker_size"):
        for size in getattr(options, name).split(","):
            if not re.fullmatch(r"[1-9]\d*x[1-9]\d*", size) and (name, size) != ("sizes", "imdb"):
                found.append(f"benchmark.{name} = {size}: must be texts x tokens, such as 64x16")
    found += _too_few("rounds", options.rounds) + _too_few("updates", options.updates)
    return found


def unknown_names(name: str, given: str, known: tuple[str, ...]) -> list[str]:
    return [
        f"benchmark.{name}: {part!r} is none; there are {', '.join(known)}"
        for part in given.split(",")
        if part not in known
    ]


def _not_numbers(name: str, given: str) -> list[str]:
    if all(part.isdigit() and int(part) > 0 for part in given.split(",")):
        return []
    return [f"benchmark.{name} = {given}: must be numbers such as 64,256"]


def _too_few(name: str, given: int) -> list[str]:
    return [f"benchmark.{name} = {given}: must be at least 1"] if given < 1 else []


@dataclass(frozen=True, kw_only=True)
class BenchmarkSettings(Settings):
    """Settings of a training run, and what to time."""

    benchmark: BenchmarkOptions = field(default_factory=BenchmarkOptions)


def benchmark_complaints(settings: BenchmarkSettings) -> list[str]:
    """What is wrong with the settings."""
    found, options = complaints(settings), settings.benchmark
    if not settings.target.pretrained:
        found.append("target.name = transformer: give a pretrained model, by folder or hub id")
    found += unknown_names("contenders", options.contenders, CONTENDERS)
    found += _not_numbers("lengths", options.lengths)
    return found + _too_few("rounds", options.rounds) + _too_few("updates", options.updates)
