"""`python -m afa_ray.benchmark.gpu`: all that a GPU has to show, in one command of minutes.

Parts: `same`, an update on the GPU beside one on the CPU; `replicas`, two GPUs beside one; `speed`,
the single layer beside its peers; `large`, BERT-base to Qwen3-8B; `kernels`, where the time goes;
`explaining`, what the attention row costs; `runs` and `ray`, real runs. Each has a time limit, and
what fails is a row with its reason. Without a GPU, or with `--benchmark.small true`, everything is
tried all the same. Exit status 1 if a row failed.
"""

from __future__ import annotations

import json
import multiprocessing
import platform
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from pkgutil import resolve_name

import torch
import transformers

from afa_ray.benchmark.gpu import runs  # noqa: F401
from afa_ray.benchmark.gpu.checks import Row, begin_part, end_part, table
from afa_ray.benchmark.gpu.options import LIMITS, GpuSettings, gpu_complaints
from afa_ray.command_line import Command, run_command
from afa_ray.training.process import usable_cores

CHECKS = {  # part: where its checks are, which is imported once, before parts are forked
    "same": "same:checks",
    "replicas": "replicas:checks",
    "speed": "speed:checks",
    "large": "large:checks",
    "kernels": "kernels:checks",
    "explaining": "explaining:checks",
    "runs": "runs:checks",
    "ray": "runs:ray_checks",
}
MODELS = "sklearn.linear_model", "transformers:BertForSequenceClassification"


def run(settings: GpuSettings) -> int:
    """Part after part; files are written anew after each. The exit status."""
    out = Path(settings.benchmark.out)
    out.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    parts = settings.benchmark.parts.split(",")
    small, where = settings.benchmark.small, surroundings(settings)
    threads = 1 if small else usable_cores()
    begun = {}

    def begin(part: str) -> None:
        checks = partial(resolve_name(f"{__package__}.{CHECKS[part]}"), settings)
        begun[part] = begin_part(part, checks, out, threads)

    if small and "ray" in parts:  # which mostly waits, and nothing is timed
        begin("ray")
    for name in (*MODELS, *(f"{__package__}.{CHECKS[part]}" for part in parts)):
        resolve_name(name)
    for part in parts:
        print(f"{part}, at most {LIMITS[part]} s", flush=True)
        if part not in begun:
            begin(part)
        rows += end_part(part, begun[part], out, LIMITS[part])
        figures = {"where": where, "rows": [row._asdict() for row in rows]}
        (out / "gpu.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
        (out / "gpu.md").write_text(f"{where}\n\n{table(rows)}", encoding="utf-8")
    failed = sum(row.passed is False for row in rows)
    print(f"\n{where}\n\n{table(rows)}\n{len(rows)} rows, {failed} failed: {out}/gpu.md")
    return min(failed, 1)


def surroundings(settings: GpuSettings) -> str:
    """The card and the versions."""
    with multiprocessing.get_context("fork").Pool(1) as pool:  # in this process no GPU is touched
        card = "no GPU" if settings.train.use_gpu is False else pool.apply(card_name)
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    return f"{card}, Python {platform.python_version()}, {versions}"


def card_name() -> str:
    if not torch.cuda.is_available():
        return "no GPU"
    return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"


BENCHMARK = Command(
    "afa_ray.benchmark.gpu",
    "Check and time all that is said of GPUs.",
    GpuSettings,
    gpu_complaints,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    return run_command(BENCHMARK, run, sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())
