"""Parts of an audit, spread over a Ray cluster: a run's tests, and single models that tests train.

Each worker is an actor. What it needs of a run comes through Ray's object store: neither the run's
folder nor the data have to be where it is.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from afa_ray.training.bench import Bench
from afa_ray.training.one_test import tested
from afa_ray.training.ray_room import gpus_a_model
from afa_ray.training.ray_run import ray_cluster, work_that_goes_on
from afa_ray.training.trained_tests import TRAINED_TESTS, Models

WITHOUT_RAY = "audit without Ray: leave --workers out"
LOST_WORKERS = 3  # how often a worker, and what it was doing, is begun again


class Part(NamedTuple):
    """A test of the run of that number; or a model that it trains, by name."""

    run: int
    test: str
    model: str | None = None


class Outcome(NamedTuple):
    """What was found: of a test as `tested` has it, of a model what is kept of it."""

    part: Part
    found: Any
    seconds: float


def parts_of(run: int, names: Sequence[str], bench: Bench) -> list[Part]:
    """What there is to find for these tests of a run, without the models of which it is kept."""
    parts = []
    for name in names:
        if name in TRAINED_TESTS:
            models = TRAINED_TESTS[name].models(bench)
            parts += [Part(run, name, model) for model in models if model not in bench.kept]
        else:
            parts.append(Part(run, name))
    return parts


def found_by_workers(
    benches: Sequence[Bench], parts: Sequence[Part], workers: int, device: str | None
) -> Iterator[Outcome]:
    """What is found of each part, when it is, in any order.

    Args:
        benches: of the runs, on the CPU. device: of the workers; by default GPUs where there are.

    Raises:
        UserError: no cluster, one that is too small, or a part that fails.
    """
    with ray_cluster(WITHOUT_RAY, dashboard=False):
        import ray
        from ray.util import ActorPool

        gpus = gpus_a_model("workers", workers, device)
        alone = [Bench(b.target, b.settings, b.corpus, b.test, b.limits, b.seed) for b in benches]
        sent = [ray.put(bench) for bench in alone]
        worker = ray.remote(AuditWorker).options(
            num_cpus=1, num_gpus=gpus, max_restarts=LOST_WORKERS, max_task_retries=LOST_WORKERS
        )
        on = device or ("cuda" if gpus else "cpu")
        pool = ActorPool([worker.remote(on) for _ in range(min(workers, len(parts)))])
        with work_that_goes_on(f"workers = {workers}: a part of the audit failed"):
            yield from pool.map_unordered(
                lambda actor, part: actor.find.remote(part, [sent[part.run]]),
                parts,
            )


class AuditWorker:
    """The runs whose parts it has had, on its device, and the models that their tests train."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._benches: dict[int, Bench] = {}
        self._models: dict[tuple[int, str], Models] = {}

    def find(self, part: Part, sent: list[Any]) -> Outcome:
        """What there is to find of the part. `sent`: the reference to its run's bench, in a list,
        so that Ray gets the bench itself only where it is not here yet."""
        began, bench = time.perf_counter(), self._bench(part.run, sent)
        if part.model is None:
            found = tested(part.test, bench, part.test)
        else:
            key = (part.run, part.test)
            models = self._models.setdefault(key, TRAINED_TESTS[part.test].models(bench))
            found = models[part.model]()
        return Outcome(part, found, time.perf_counter() - began)

    def _bench(self, run: int, sent: list[Any]) -> Bench:
        if run not in self._benches:
            import ray

            bench: Bench = ray.get(sent[0])
            self._benches[run] = replace(bench, target=bench.target.to(self._device).eval())
        return self._benches[run]
