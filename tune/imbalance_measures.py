"""What is measured of a run of `tune.imbalance`: how well it ranks its test texts, how near its
attention is to people's, and where in a text it lies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from afa_ray.classifier import load
from afa_ray.json_files import as_json, read_object
from afa_ray.whole_files import write_whole
from tune.marked_words import of_words, places

FILE = "imbalance.json"  # in the folder of a run
BINS = 10  # parts of a text
POSITIONS = tuple(f"position_{i}" for i in range(BINS))
LEAST = 1e-45  # probability


def measure(run: Path, test: Path) -> None:
    """Read the test texts with the classifier of a complete run, and write the run's `FILE`.

    Args:
        test: JSON Lines of text, label and, where known, how much people attend to each word.
    """
    rows = [json.loads(line) for line in test.read_text(encoding="utf-8").splitlines()]
    classifier = load(run)
    negative, positive = classifier.labels
    found = classifier.explain([row["text"] for row in rows], ["attention"])
    odds = [
        log_odds(*(each.probabilities[name] for name in (negative, positive))) for each in found
    ]
    model, people = [], []
    for row, each in zip(rows, found, strict=True):
        words = row["text"].split()
        read = 1 + int(places(words)[each.spans[-1][0]]) if each.spans else 0
        scores = each.scores.get("attention")
        if scores is not None and read:
            model.append(of_words(each, words, read, ["attention"])["attention"])
            people.append(np.array(row.get("people", [0.0] * read)[:read]))
    figures = {
        "auc": auc(np.array(odds), np.array([row["label"] == positive for row in rows])),
        **of_attention(model, people),
    }
    write_whole(run / FILE, as_json(figures, indent=1))


def read_figures(run: Path) -> dict[str, float]:
    """The figures that were measured; none where they were not."""
    found = read_object(run / FILE) or {}
    return {name: value for name, value in found.items() if value is not None}


def log_odds(negative: float, positive: float) -> float:
    """Of two probabilities: rounding makes the larger one 1 in many texts that differ."""
    return float(np.log(max(positive, LEAST)) - np.log(max(negative, LEAST)))


def auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve of (N,) scores; positive: (N,) bool, some of either."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(positive, scores))


def of_attention(model: Sequence[np.ndarray], people: Sequence[np.ndarray]) -> dict[str, float]:
    """Figures of the attention of a model and of people (`people_…`), means over texts.

    Args:
        model, people: of each text (W,) at least 0, its words' attention; all 0 where nobody marked
            any.
    """
    both = [(m, p) for m, p in zip(model, people, strict=True) if p.any()]
    of_people = [p for _, p in both]
    figures = {"similarity": _mean([cosine(m, p) for m, p in both])}
    for name, some in (("", model), ("people_", of_people)):
        shares = np.array([high_shares(words) for words in some]).reshape(-1, 2)
        by_place = [by_position(words) for words in some]
        for label, of in zip(("high_sd", "high_iqr"), shares.T, strict=True):
            figures[name + label] = _mean(of.tolist())
        for at, label in enumerate(POSITIONS):
            figures[name + label] = _mean([text[at] for text in by_place])
    return figures


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    """Of two vectors; 0 where either is 0."""
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / size if size else 0.0


def high_shares(words: np.ndarray) -> tuple[float, float]:
    """The shares of a text's words of high attention: above the mean by more than a standard
    deviation, and above the third quartile by more than 1.5 of the quartiles' distance."""
    low, high = np.percentile(words, [25, 75])
    above = words > words.mean() + words.std(), words > high + 1.5 * (high - low)
    return float(above[0].mean()), float(above[1].mean())


def by_position(words: np.ndarray) -> np.ndarray:
    """(BINS,) mean attention of the words of each tenth of a text, times their number, so that 1 is
    even attention; nan where a tenth has no word, or the text no attention."""
    total, count = words.sum(), len(words)
    if not total:
        return np.full(BINS, np.nan)
    tenth = np.arange(count) * BINS // count
    held = np.bincount(tenth, minlength=BINS)
    summed = np.bincount(tenth, words / total * count, minlength=BINS)
    return np.where(held > 0, summed / held.clip(1), np.nan)


def _mean(values: Sequence[float]) -> float:
    known = np.array([value for value in values if not np.isnan(value)])
    return float(known.mean()) if len(known) else float("nan")
