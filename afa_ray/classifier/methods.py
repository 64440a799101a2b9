"""The explainers that a classifier may use; how their scores of pieces become those of words."""

from __future__ import annotations

import difflib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

from afa_ray.classifier.words import Units
from afa_ray.errors import UserError

if TYPE_CHECKING:
    from afa_ray.classifier.classify import Batch, Classifier

ATTENTION = "attention"
METHODS = (ATTENTION,)


class Scores(NamedTuple):
    """Of a batch: by text and position; the seconds that it took; why there are none; and what the
    method says of its own inexactness, a number a text."""

    scores: list[list[float]]
    seconds: float
    refused: str = ""
    error: list[float] | None = None


def methods_of(names: Sequence[str]) -> list[str]:
    """The names, each once.

    Raises:
        UserError: no name, or one that is no method's.
    """
    if isinstance(names, str):
        names = names.split(",")
    names = list(dict.fromkeys(name.strip() for name in names))
    known = ", ".join(METHODS)
    if not names:
        raise UserError(f"methods: none is named; give some of {known}")
    faults = [_unknown(name) for name in names if name not in METHODS]
    if faults:
        raise UserError("\n".join(faults))
    return names


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, METHODS, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"give some of {', '.join(METHODS)}"
    return f"methods = {name}: there is no such method; {hint}"


def scores_of(
    name: str, classifier: Classifier, batch: Batch, units: list[Units], classes: Tensor
) -> Scores:
    """One method's scores of a batch for (B,) classes."""
    if name == ATTENTION:
        if batch.row is None:
            return Scores([], 0.0, refused=classifier.unreadable)
        return Scores(batch.row.tolist(), batch.seconds)
    began = time.perf_counter()
    return Scores([], time.perf_counter() - began, refused="not built")


def joined(name: str, row: list[float], units: Units) -> list[float]:
    """A score for each unit: the sum of its pieces' for attention and signed scores, which add up;
    their maximum for others (Chefer et al.)."""
    return [sum(row[t] for t in tokens) for tokens in units.tokens]
