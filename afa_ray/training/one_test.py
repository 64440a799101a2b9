"""One test of attention, or comparison, of one model: its figures, with what they mean."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from afa_ray.data.tokenizer import special_ids
from afa_ray.evaluation.attefa import PUBLISHED
from afa_ray.evaluation.audit import TESTS, Test, batches
from afa_ray.evaluation.comparisons import COMPARISONS, Comparison
from afa_ray.report.bar import progress_bar
from afa_ray.training.bench import Bench
from afa_ray.training.trained_tests import TRAINED_TESTS, TrainedTest


def tested(name: str, bench: Bench, doing: str) -> dict[str, Any]:
    """A test's figures, with what they mean, as JSON takes them.

    Args:
        doing: what the bar of progress says.
    """
    test: Test | TrainedTest | Comparison
    tokenizer = bench.corpus.tokenizer
    if name in COMPARISONS:
        test = COMPARISONS[name]
        with progress_bar(doing, test.passes * len(bench.test)) as advance:
            of = bench.test, special_ids(tokenizer)
            figures = test.run(bench.target, of, bench.seed, advance)
    elif name in TRAINED_TESTS:
        test = TRAINED_TESTS[name]
        with progress_bar(doing, len(test.models(bench)), "models") as advance:
            figures = test.run(replace(bench, advance=advance))
    else:
        test = TESTS[name]
        with progress_bar(doing, len(bench.test)) as advance:
            seen = batches(bench.target, bench.test, special_ids(tokenizer), advance)
            figures = test.run(bench.target, seen, bench.seed)
        for case in figures.get("cases", ()):
            case["words"] = tokenizer.convert_ids_to_tokens(case.pop("ids"))
    words: dict[str, Any] = {
        "asks": test.asks,
        "high": test.high,
        "low": test.low,
        "source": test.source,
    }
    if name == "attefa":
        kinds = ("an LSTM", "words by themselves")
        words["published"] = {of: dict(zip(kinds, x, strict=True)) for of, x in PUBLISHED.items()}
    return {"figures": figures, **words}
