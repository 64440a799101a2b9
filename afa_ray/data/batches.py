"""Mini-batches: length-grouped, the same whatever the number of workers."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from afa_ray.data.packed import PackedTexts

POOL = 50  # batches whose texts are sorted by length together


@dataclass(frozen=True)
class Batch:
    """One worker's share of a global batch, as numpy arrays.

    Attributes:
        tokens: (B, L) int64, padded; labels: (B,) int64.
        examples: (B,) int64 numbers in the corpus.
        units: (B, L) int64 words of the tokens, where words are masked whole; else None.
        marks: (B, L) int64, 1 on tokens of marked words, where an objective needs them; else None.
        human: (B, L) float32, how much people attend to the tokens' words, likewise.
        query: (B, Q) int64, padded: what each text is read for, where the corpus has queries.
        partners: (B, L') int64: for each text an untouched one of another class from the same
            global batch (pairing `contrast`), or None.
        weight: B * workers / (size of the global batch): a worker's mean losses times this,
            averaged over workers, are the global means even where shares differ by one.
    """

    tokens: np.ndarray
    labels: np.ndarray
    examples: np.ndarray
    partners: np.ndarray | None
    weight: float
    units: np.ndarray | None = None
    marks: np.ndarray | None = None
    query: np.ndarray | None = None
    human: np.ndarray | None = None

    def parts(self, count: int) -> list[Batch]:
        """The batch in `count` parts, equal in size to within one, each with its part of `weight`.

        Losses are means, so that the parts' losses times their weights add up to the whole's.
        """
        if count == 1:
            return [self]
        texts = len(self.labels)

        def take(array: np.ndarray | None, part: np.ndarray) -> np.ndarray | None:
            return None if array is None else array[part]

        return [
            Batch(
                tokens=self.tokens[part],
                labels=self.labels[part],
                examples=self.examples[part],
                partners=take(self.partners, part),
                weight=self.weight * len(part) / texts,
                units=take(self.units, part),
                marks=take(self.marks, part),
                query=take(self.query, part),
                human=take(self.human, part),
            )
            for part in np.array_split(np.arange(texts), count)
        ]


def batch_count(texts: int, batch_size: int) -> int:
    """Batches of an epoch: ceil(texts / batch_size)."""
    return max(1, -(-texts // batch_size))


def global_batches(lengths: np.ndarray, batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Every text once, in shuffled batches of similar length.

    The batches are equal in size to within one, so that none is a stub.

    Args:
        lengths: (N,) tokens of each text; epoch: each has its own order.

    Returns:
        arrays of example numbers.
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    pool = POOL * batch_size
    grouped = [
        part[np.argsort(lengths[part], kind="stable")]
        for part in np.split(order, range(pool, len(order), pool))
    ]
    batches = np.array_split(np.concatenate(grouped), batch_count(len(order), batch_size))
    return [batches[i] for i in random.permutation(len(batches))]


def contrast_partners(
    batch: np.ndarray, labels: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """For each text of a global batch, the number of a text of another class.

    Taken from the same batch, whose texts are of similar length, or from the whole corpus where the
    batch holds one class only.

    Args:
        batch: (B,) example numbers; labels: (N,) of the whole corpus, at least two classes.
    """
    partners = np.empty_like(batch)
    for label in np.unique(labels[batch]):
        own = labels[batch] == label
        others = batch[~own] if not own.all() else np.flatnonzero(labels != label)
        partners[own] = random.choice(others, int(own.sum()))
    return partners


def worker_batches(
    texts: PackedTexts,
    *,
    batch_size: int,
    seed: int,
    epoch: int,
    rank: int = 0,
    workers: int = 1,
    needs: Collection[str] = (),
    skip: int = 0,
    pad_id: int = 0,
) -> Iterator[Batch]:
    """One worker's shares of the epoch's global batches, from number `skip` on.

    All workers get equally many batches; worker `rank` has every `workers`-th text of each.

    Args:
        needs: what is wanted beside tokens and labels: `partners`, `marks`, `human`.
    """
    for number, batch in enumerate(global_batches(texts.lengths, batch_size, seed, epoch)):
        if number < skip:
            continue
        share = batch[rank::workers]
        partners = None
        if "partners" in needs:
            random = np.random.default_rng([seed, epoch, number])
            numbers = contrast_partners(batch, texts.labels, random)[rank::workers]
            partners = texts.padded(numbers, pad_id)
        yield Batch(
            tokens=texts.padded(share, pad_id),
            units=texts.padded_units(share),
            marks=texts.padded_marks(share) if "marks" in needs else None,
            human=texts.padded_human(share) if "human" in needs else None,
            query=texts.padded_queries(share, pad_id),
            labels=texts.labels[share],
            examples=share,
            partners=partners,
            weight=len(share) * workers / len(batch),
        )


def evaluation_batches(texts: PackedTexts, batch_size: int) -> list[np.ndarray]:
    """All example numbers, longest texts together, for passes whose order does not matter."""
    order = np.argsort(-texts.lengths, kind="stable")
    return np.split(order, range(batch_size, len(order), batch_size))
