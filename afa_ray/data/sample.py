"""A part of a split that stands for all of it."""

from __future__ import annotations

import numpy as np

from afa_ray.data.packed import PackedTexts


def sample(texts: PackedTexts, most: int, seed: int) -> PackedTexts:
    """`most` of the texts, stratified; all of them, as they are, where there are no more or `most`
    is 0. Every class keeps a text, so that there can be a few more with very rare classes."""
    count = len(texts)
    if not 0 < most < count:
        return texts
    random = np.random.default_rng(seed)
    by_class = np.lexsort((random.random(count), texts.labels))  # shuffled within each class
    evenly = by_class[np.arange(most) * count // most]
    classes, first = np.unique(texts.labels[by_class], return_index=True)
    left_out = ~np.isin(classes, texts.labels[evenly])
    return texts.take(np.union1d(evenly, by_class[first[left_out]]))
