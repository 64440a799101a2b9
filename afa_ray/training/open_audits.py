"""Audits that lack tests: what is missing is found, here or by the workers of a Ray cluster.

Whatever is found is put into its audit, and kept, as soon as it is there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from afa_ray.config import Settings
from afa_ray.data.sample import sample
from afa_ray.evaluation.given_attention import what_is_given
from afa_ray.records.finished import open_finished, open_given
from afa_ray.report.bar import progress_bar
from afa_ray.training.bench import Bench, Limits
from afa_ray.training.one_test import tested
from afa_ray.training.trained_tests import TRAINED_TESTS

if TYPE_CHECKING:
    from afa_ray.training.audit_cluster import Part

NOTHING: Mapping[str, float] = MappingProxyType({})


class Asked(NamedTuple):
    """How much of an audit: test texts and what draws them, and what models are trained by; on
    which device, by how many workers, 0 for none."""

    texts: int
    seed: int
    limits: Limits
    device: str | None
    workers: int


class Open(NamedTuple):
    """A run, or another classifier; its settings; the tests that are missing, and its audit, which
    they are put into."""

    run: Path
    settings: Settings
    missing: list[str]
    there: dict[str, Any]
    given: bool = False  # the classifier, with its data


def is_there(name: str, there: dict[str, Any], limits: Limits) -> bool:
    """Whether a test is finished, with as many models as are asked for where it trains any."""
    return name in there["tests"] and there["tests"][name].get("limits") == _limits(name, limits)


def find_missing(open_ones: list[Open], asked: Asked, keep: Callable[[], None]) -> None:
    """Find what is missing of each.

    Raises:
        UserError: a model or data that cannot be read, or no cluster.
    """
    if asked.workers and open_ones:
        _spread(open_ones, asked, keep)
    else:
        for each in open_ones:
            _test_all(each, _bench(each, asked, keep))


def _limits(name: str, limits: Limits) -> dict[str, Any] | None:
    return asdict(limits) if name in TRAINED_TESTS else None


def _bench(each: Open, asked: Asked, keep: Callable[[], None]) -> Bench:
    """The run, opened. What is found of single models that are trained is kept, too, so that no
    more than one is trained again."""
    trained = any(name in TRAINED_TESTS for name in each.missing)
    device = "cpu" if asked.workers else asked.device
    if each.given:
        target, corpus = open_given(str(each.run), each.settings, device)
    else:
        target, corpus = open_finished(each.run, each.settings, device, fresh=trained)
    texts = sample(corpus.test, asked.texts, asked.seed)
    of = json.dumps({**asdict(asked.limits), "seeds": None})
    kept = each.there.setdefault("models", {}).setdefault(of, {})
    about = {"texts": len(texts), "data": corpus.name, "row": what_is_given(target)}
    each.there.update(about)
    limits, seed = asked.limits, asked.seed
    return Bench(target, each.settings, corpus, texts, limits, seed, kept=kept, keep=keep)


def _test_all(each: Open, bench: Bench, spent: Mapping[str, float] = NOTHING) -> None:
    """Put what the tests find into the audit of the run, one after the other.

    Args:
        spent: seconds on what is kept already, by test.
    """
    for name in each.missing:
        began = time.perf_counter()
        found = tested(name, bench, f"{each.run.name}, {name}")
        seconds = time.perf_counter() - began + spent.get(name, 0)
        _put(name, found, seconds, each, bench.limits)
        bench.keep()


def _put(name: str, found: dict[str, Any], seconds: float, each: Open, limits: Limits) -> None:
    of = {"seconds": round(seconds, 2), "limits": _limits(name, limits)}
    each.there["tests"][name] = {**found, **of}


def _spread(open_ones: list[Open], asked: Asked, keep: Callable[[], None]) -> None:
    """Have the workers of a Ray cluster find what is missing; of tests that train models, what is
    found of them all is put together here."""
    from afa_ray.training.audit_cluster import parts_of

    benches = [_bench(each, asked, keep) for each in open_ones]
    orders = [dict.fromkeys([*each.there["tests"], *each.missing]) for each in open_ones]
    parts = [
        part
        for run, (each, bench) in enumerate(zip(open_ones, benches, strict=True))
        for part in parts_of(run, each.missing, bench)
    ]
    spent = _gather(parts, benches, open_ones, asked) if parts else {}
    for run, (each, bench) in enumerate(zip(open_ones, benches, strict=True)):
        left = [name for name in each.missing if not is_there(name, each.there, asked.limits)]
        seconds = {name: spent.get((run, name), 0.0) for name in left}
        _test_all(each._replace(missing=left), bench, seconds)
        each.there["tests"] = {name: each.there["tests"][name] for name in orders[run]}
        keep()


def _gather(
    parts: list[Part], benches: list[Bench], open_ones: list[Open], asked: Asked
) -> dict[tuple[int, str], float]:
    """Keep what the workers find, as soon as it is; returns the seconds that went into the models
    of each (run, test)."""
    from afa_ray.training.audit_cluster import found_by_workers

    spent: dict[tuple[int, str], float] = {}
    outcomes = found_by_workers(benches, parts, asked.workers, asked.device)
    with progress_bar("auditing", len(parts), "parts") as advance:
        for (run, test, model), found, seconds in outcomes:
            if model is None:
                _put(test, found, seconds, open_ones[run], asked.limits)
            else:
                benches[run].kept[model] = found
                spent[run, test] = spent.get((run, test), 0.0) + seconds
            benches[run].keep()
            advance(1)
    return spent
