"""What a classifier said of one text, and what each word meant to it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from afa_ray.json_files import finite
from afa_ray.report.page import notebook_html, page_html


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A text's prediction, and the scores of its words by every method.

    Attributes:
        text: as it was given. words: of it, in order, in their own spelling (or tokens, where they
            were asked for); spans: start and end of each in the text, in characters; pieces: what
            the model read each word in.
        scores: for each method one number a word, higher where it speaks more for `target`.
        label: the predicted class; probability: of it, 0 to 1; probabilities: of every class.
        target: the class that is explained, by default the predicted one.
        cost: seconds a text, for each method, the prediction included where it comes with it.
        error: the share of what was to be explained that a method's scores leave out, where it
            tells: integrated gradients of the difference they sum to, surrogates 1 - R².
        refused: for each method that gave no scores, why.
        specials: the special tokens that the model read; special_scores: theirs, for each method.
        cut: how many characters were read of a text that is too long for the model, else None.
        truth: the right class, and marks: 1 at each word that people marked, where known.
        model: its name. query: what the text was read for, of a model of pairs.
    """

    text: str
    words: list[str]
    spans: list[tuple[int, int]]
    pieces: list[list[str]]
    scores: dict[str, list[float]]
    label: str
    probability: float
    probabilities: dict[str, float]
    target: str
    cost: dict[str, float]
    error: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    specials: list[str] = field(default_factory=list)
    special_scores: dict[str, list[float]] = field(default_factory=dict)
    cut: int | None = None
    truth: str | None = None
    marks: list[int] | None = None
    model: str = ""
    query: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Everything, in plain values that JSON has: figures that are not finite are None."""
        return finite(asdict(self))

    def to_html(self) -> str:
        """A page of its own, which needs no network: write it to a file, or send it."""
        return page_html([self.to_dict()])

    def _repr_html_(self) -> str:
        return notebook_html([self.to_dict()])

    def __str__(self) -> str:
        """The words with their weights by the first method."""
        scores = next(iter(self.scores.values()), [0.0] * len(self.words))
        words = " ".join(f"{w} {s:.2f}" for w, s in zip(self.words, scores, strict=True))
        return f"{self.label} ({self.probability:.2f}): {words}"
