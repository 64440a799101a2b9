"""Rows of texts and their explanations, a chunk at a time: memory does not grow with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from afa_ray.classifier import Classifier, Explanation
from afa_ray.classifier.words import Unit
from afa_ray.data.streamed import Row
from afa_ray.progress import Advance, ignored
from afa_ray.report.writers import writing

CHUNK = 16  # batches that are read and sorted by length together


@dataclass(frozen=True, kw_only=True)
class Ask:
    """How texts are to be explained; see `Classifier.explain`."""

    methods: list[str]
    target: str | None = None
    unit: Unit = "word"
    batch_size: int = 32


def explained(
    classifier: Classifier, rows: Iterable[Row], ask: Ask
) -> Iterator[list[tuple[int, Explanation]]]:
    """Every row's number and explanation, a chunk of them at a time; all have a query, or none."""
    waiting = iter(rows)
    while chunk := list(islice(waiting, CHUNK * ask.batch_size)):
        found = classifier.explain(
            [row.text for row in chunk],
            ask.methods,
            ask.target,
            ask.unit,
            queries=_queries(chunk),
            batch_size=ask.batch_size,
        )
        yield [(row.number, each) for row, each in zip(chunk, found, strict=True)]


def _queries(rows: list[Row]) -> list[str] | None:
    found = [row.query for row in rows if row.query is not None]
    return found or None


def write_explained(
    out: Path,
    classifier: Classifier,
    rows: Iterable[Row],
    ask: Ask,
    advance: Advance = ignored,
) -> dict[str, str]:
    """Write the explanations of the rows into a file; returns why methods gave no scores."""
    refused: dict[str, str] = {}
    with writing(out, ask.methods, classifier.labels, classifier.reads_queries) as write:
        for chunk in explained(classifier, rows, ask):
            for row, each in chunk:
                write(row, each.to_dict())
                refused |= each.refused
            advance(len(chunk))
    return refused
