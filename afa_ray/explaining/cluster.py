"""Explanations of millions of rows, spread over a Ray cluster by Ray Data.

A Dataset of parts goes through `map_batches`: each actor holds one model, on a GPU where there are
any, reads the texts of a part and writes their explanations. Texts and model lie where every node
reads them, as a run's folder does.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from afa_ray.errors import UserError
from afa_ray.explaining.parts import TEXTS, complete, texts_of, waiting_parts
from afa_ray.explaining.rows import Ask, write_explained
from afa_ray.report.bar import progress_bar
from afa_ray.training.ray_room import gpus_a_model
from afa_ray.training.ray_run import ray_cluster, work_that_goes_on

MOST_BLOCKS = 5000  # of the Dataset: a block is what a worker gets at a time
WITHOUT_RAY = "explain without Ray: leave --explain.workers out"


def explain_parts(
    folder: Path, model: str, ask: Ask, workers: int, device: str | None
) -> dict[str, str]:
    """Explain all parts of the folder that are not done; returns why methods gave no scores.

    Raises:
        UserError: no cluster, one that is too small, or a part that cannot be explained. What is
            done stays.
    """
    parts = waiting_parts(folder)
    if not parts:
        complete(folder)
        return {}
    refused: dict[str, str] = {}
    # Ray Data's actors alarm it for nothing
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    with (
        ray_cluster(WITHOUT_RAY, dashboard=False),
        progress_bar("explaining", sum(parts.values())) as advance,
    ):
        share = gpus_a_model("explain.workers", workers, device)
        with _told(folder):
            for row in _answers(list(parts), folder, model, ask, workers, share, device):
                advance(parts[row["part"]])
                refused |= json.loads(row["refused"])
    if waiting_parts(folder):
        raise UserError(f"out = {folder}: parts are missing; the same command goes on")
    complete(folder)
    return refused


def _answers(
    parts: list[str],
    folder: Path,
    model: str,
    ask: Ask,
    workers: int,
    gpus: float,
    device: str | None,
) -> Iterator[dict[str, Any]]:
    """`{"part", "refused": JSON}` of each part, when it is done."""
    import ray.data
    from ray.data import ActorPoolStrategy, DataContext

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    blocks = min(len(parts), MOST_BLOCKS)
    dataset = ray.data.from_items([{"part": name} for name in parts], override_num_blocks=blocks)
    done = dataset.map_batches(
        ExplainPart,
        fn_constructor_args=(folder, model, ask, device or ("cuda" if gpus else "cpu")),
        batch_size=1,
        num_cpus=1,
        num_gpus=gpus or None,
        compute=ActorPoolStrategy(size=workers),
    )
    yield from done.iter_rows()


class ExplainPart:
    """An actor's model, which explains a part at a time."""

    def __init__(self, folder: Path, model: str, ask: Ask, device: str) -> None:
        from afa_ray.classifier import load

        self._folder, self._ask = folder, ask
        self._classifier = load(model, device=device)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        names = [str(name) for name in batch["part"]]
        return {"part": names, "refused": [json.dumps(self._explain(name)) for name in names]}

    def _explain(self, name: str) -> dict[str, str]:
        rows = texts_of(self._folder / TEXTS / name)
        return write_explained(self._folder / name, self._classifier, rows, self._ask)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """What ends the work, in a sentence that says how to go on.

    Raises:
        UserError: see there.
    """
    try:
        with work_that_goes_on(f"out = {folder}: a part could not be explained"):
            yield
    except KeyboardInterrupt:
        print(f"interrupted; the same command goes on with {folder}", file=sys.stderr)
        raise
