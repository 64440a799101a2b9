"""How well scores of words tell those that people marked: text by text, then means over texts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from afa_ray.evaluation.agreement import agreement

THRESHOLDS = np.linspace(0, 1, 51)


@dataclass(frozen=True, eq=False)
class Judged:
    """T texts, padded to W words: all (T, W), scores float64, the others bool."""

    scores: np.ndarray
    marked: np.ndarray
    present: np.ndarray


def padded(text: np.ndarray, marked: np.ndarray, scores: np.ndarray) -> Judged:
    """Of (W,) words: the number of each one's text, ascending from 0, whether it is marked, and its
    score."""
    counts = np.bincount(text)
    shape = (len(counts), int(counts.max()))
    present = np.arange(shape[1]) < counts[:, None]
    filled = Judged(np.zeros(shape), np.zeros(shape, bool), present)
    filled.scores[present] = scores
    filled.marked[present] = marked
    return filled


def ranking(judged: Judged) -> dict[str, float]:
    """AUROC, average precision, and F1 of as many words as are marked; equal scores: first come."""
    found = agreement(
        *(torch.from_numpy(x) for x in (judged.scores, judged.marked, judged.present))
    )
    order = np.argsort(-np.where(judged.present, judged.scores, -np.inf), axis=1, kind="stable")
    count = judged.marked.sum(1)
    first = np.arange(judged.marked.shape[1]) < count[:, None]
    hits = (np.take_along_axis(judged.marked, order, 1) & first).sum(1)
    return {
        "auroc": float(found.auroc.nanmean()),
        "average_precision": float(found.average_precision.nanmean()),
        "f1_gold": float((hits / count.clip(1))[count > 0].mean()),
    }


def scaled(judged: Judged) -> Judged:
    """Scores from 0, a text's lowest, to 1, its highest; 0 where all are equal."""
    low = np.where(judged.present, judged.scores, np.inf).min(1, keepdims=True)
    high = np.where(judged.present, judged.scores, -np.inf).max(1, keepdims=True)
    span = np.where(high > low, high - low, 1)
    return Judged((judged.scores - low) / span, judged.marked, judged.present)


def f1_by_threshold(judged: Judged) -> np.ndarray:
    """Mean F1 over the texts of "scores at least t", for each t of THRESHOLDS."""
    return np.array([_f1(judged, judged.scores >= t) for t in THRESHOLDS])


def _f1(judged: Judged, chosen: np.ndarray) -> float:
    some = judged.marked.any(1)
    chosen, marked = (chosen & judged.present)[some], judged.marked[some]
    return float((2 * (chosen & marked).sum(1) / (chosen.sum(1) + marked.sum(1))).mean())
