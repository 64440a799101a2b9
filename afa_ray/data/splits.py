"""Holding rows out with the same share of every class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from afa_ray.data.messages import listed
from afa_ray.errors import UserError


def stratified_split(
    labels: np.ndarray, share: float, seed: int, names: Sequence[str] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Split row numbers at random into kept and held-out ones, both int64 and sorted.

    `labels` are (N,) integers. `share` (0 to 1) of the rows is held out, the same share of every
    class up to rounding. `names` are the label names, used in messages only. The same labels, share
    and seed give the same split.

    Raises UserError when a class has fewer than 2 rows, or when there are too few rows for either
    side to hold one row of every class.
    """
    from sklearn.model_selection import train_test_split

    classes, counts = np.unique(labels, return_counts=True)
    rare = classes[counts < 2].tolist()
    if rare:
        named = listed([str(names[label] if names else label) for label in rare])
        classes_have, it = ("class {} has", "it") if len(rare) == 1 else ("classes {} have", "them")
        ids = 2 * len(rare) > len(labels)
        advice = (
            "Most rows are the only one of their class: are these labels (data.label_column)?"
            if ids
            else f"Add rows of {it}, remove {it}, or give the split as a file."
        )
        raise UserError(
            f"Cannot hold out {share:.0%} of {len(labels)} rows: {classes_have.format(named)} only "
            f"1 row, and every class needs at least 2. {advice}"
        )
    held_out = round(share * len(labels))
    smaller = min(held_out, len(labels) - held_out)
    if smaller < len(classes):
        raise UserError(
            f"Cannot hold out {share:.0%} of {len(labels)} rows: {smaller} rows on one side cannot "
            f"hold one row of each of {len(classes)} classes. Add rows, hold out another share "
            "(data.validation_share), or give the split as a file."
        )
    kept, held = train_test_split(
        np.arange(len(labels)), test_size=held_out, random_state=seed, stratify=labels
    )
    return np.sort(kept), np.sort(held)
