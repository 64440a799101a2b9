"""The settings of the command."""

from __future__ import annotations

from dataclasses import dataclass, field

from afa_ray.benchmark.options import PaperSettings, unknown_names
from afa_ray.complaints import complaints
from afa_ray.dotted import override

LIMITS = {  # seconds of each part
    "same": 90,
    "replicas": 60,
    "speed": 150,
    "large": 150,
    "kernels": 90,
    "explaining": 45,
    "runs": 120,
    "ray": 120,
}
PARTS = tuple(LIMITS)


@dataclass(frozen=True, kw_only=True)
class GpuOptions:
    """What to measure on a GPU."""

    small: bool = False
    """Tiny models and few rounds, so that the command can be tried in seconds, on a CPU, too."""
    parts: str = ",".join(PARTS)
    """Which of same, replicas, speed, large, kernels, explaining, runs and ray."""
    out: str = "benchmark"
    """Folder for figures (gpu.json) and tables (gpu.md)."""


@dataclass(frozen=True, kw_only=True)
class GpuSettings(PaperSettings):
    """Settings of a training run, and what to measure."""

    benchmark: GpuOptions = field(default_factory=GpuOptions)


def gpu_complaints(settings: GpuSettings) -> list[str]:
    """What is wrong with the settings."""
    return complaints(settings) + unknown_names("parts", settings.benchmark.parts, PARTS)


def sized(settings: GpuSettings) -> GpuSettings:
    """Settings of the single layer as published (4 heads, 512 wide), or of a small one."""
    wide, words = (32, 60) if settings.benchmark.small else (512, 20_000)
    return override(
        settings,
        {
            "target.hidden_size": wide,
            "discriminator.hidden_size": wide,
            "data.vocab_size": words,
            "target.word2vec": False,
        },
    )
