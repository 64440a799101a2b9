"""The explainers that a classifier may use; how their scores of pieces become those of words."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from afa_ray.classifier.reader import Batch, TextReader
from afa_ray.classifier.words import Units
from afa_ray.errors import UserError, first_line
from afa_ray.explainers import EXPLAINERS, CannotExplainError, explained
from afa_ray.models.probing import UnreadableAttentionError

ATTENTION = "attention"
FAST = (
    "layers_ig", "attention_x_gradient", "attention_ig", "gradient_norm", "gradient_x_input", "gae",
    "gradcam", "attcat", "cp_lrp", "attn_lrp",
)  # fmt: skip
"""Methods of a few passes a text."""
OF_UNITS = ("shap", "lime")  # that score whole units: each piece of one has its score
LARGEST = {
    *OF_UNITS, "random", "gradient_norm", "rollout", "lrp", "full_lrp", "gae",
    "transformer_attribution", "mgae", "cam", "gradcam", "expnet",
}  # fmt: skip
"""Methods whose scores do not add up: a word has the largest of its pieces' (Chefer et al.)."""


class Scores(NamedTuple):
    """Of a batch: by text and position; seconds a text; why there are none; and the share of what
    was to be explained that the scores do not account for, by text, where the method tells."""

    scores: list[list[float]]
    seconds: float
    refused: str = ""
    error: list[float] | None = None


def methods_of(names: str | Sequence[str]) -> list[str]:
    """The names, each once.

    Raises:
        UserError: no name, or one that is no method's.
    """
    given = names.split(",") if isinstance(names, str) else names
    found = [name for name in dict.fromkeys(name.strip() for name in given) if name]
    if not found:
        raise UserError(f"methods: none is named; give some of {', '.join(EXPLAINERS)}")
    faults = [_unknown(name) for name in found if name not in EXPLAINERS]
    if faults:
        raise UserError("\n".join(faults))
    return found


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, EXPLAINERS, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"give some of {', '.join(EXPLAINERS)}"
    return f"methods = {name}: there is no such method; {hint}"


def scores_of(
    name: str, reader: TextReader, batch: Batch, units: list[Units], classes: Tensor
) -> Scores:
    """One method's scores of a batch, for (B,) classes; a method that is not defined for the model
    says why."""
    if name == ATTENTION:
        if batch.row is None:
            return Scores([], 0.0, refused=reader.unreadable)
        return Scores(batch.row.tolist(), batch.seconds / len(units))
    special, numbers = torch.zeros_like(batch.mask), torch.zeros_like(batch.mask)
    for row, read in enumerate(units):
        special[row, read.specials] = 1
        for number, tokens in enumerate(read.tokens):
            numbers[row, tokens] = number
    options = {"units": numbers} if name in OF_UNITS else {}
    try:
        found = explained(
            reader.reads,
            batch.ids,
            batch.mask,
            name,
            classes,
            special_tokens_mask=special,
            query=batch.query,
            **options,
        )
    except (CannotExplainError, UnreadableAttentionError, ImportError) as error:
        return Scores([], 0.0, refused=first_line(error))
    return Scores(
        found.scores.cpu().tolist(),
        float(found.figures["seconds"][0]),
        error=_error(found.figures),
    )


def _error(figures: dict[str, Tensor]) -> list[float] | None:
    """The share that the scores leave unexplained: of the difference that integrated gradients are
    to sum to, of the variance that a surrogate is fitted to."""
    if "completeness_error" in figures:
        share = figures["completeness_error"] / figures["difference"].abs().clamp_min(1e-12)
        return share.tolist()
    if "r2" in figures:
        return (1 - figures["r2"]).tolist()
    return None


def joined(name: str, row: list[float], units: Units) -> list[float]:
    """A score for each unit: the sum of its pieces', or for LARGEST the largest."""
    join = max if name in LARGEST else sum
    return [join(row[t] for t in tokens) for tokens in units.tokens]
