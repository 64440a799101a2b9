"""Uneven draws of a data set: for each replicate test texts of both classes alike, and training
texts of several numbers, few of which are of the rarer class.

Everything is drawn from one order of the texts of each class, so that a larger draw has the texts
of the smaller one, and methods share theirs. Draws are files, which training reads as a user's own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from afa_ray.config import Settings
from afa_ray.data.corpus import read_raw
from afa_ray.data.places import find_place
from afa_ray.data.texts import Texts
from afa_ray.errors import UserError
from afa_ray.whole_files import write_whole
from tune.options import ImbalanceOptions

PARTS = {  # of yelp_hat, as published: by source, not by a count of words
    "yelp50": ("yelp50", "yelp_mid"),
    "yelp100": ("yelp100",),
    "yelp200": ("yelp200",),
}


class Cell(NamedTuple):
    """Number of training texts, and percent of them that are of the rarer class."""

    size: int
    share: float

    @property
    def few(self) -> int:
        """Texts of the rarer class: rounded half up, one at least."""
        return max(1, math.floor(self.size * self.share / 100 + 0.5))

    @property
    def name(self) -> str:
        return f"size{self.size}-share{self.share:g}"


@dataclass(frozen=True, eq=False)
class Pool:
    """All N texts of a data set: `labels` (N,) 0 or 1, which are in `names`; `people`, where
    known, how much people attend to each word of a text (what blanks separate)."""

    texts: list[str]
    labels: np.ndarray
    names: list[str]
    people: list[list[float]] | None

    def rows(self, numbers: Iterable[int]) -> list[dict[str, Any]]:
        """Records of the texts of these numbers."""
        found = []
        for i in numbers:
            row = {"text": self.texts[i], "label": self.names[self.labels[i]]}
            marks = {} if self.people is None else {"people": self.people[i]}
            found.append({**row, **marks})
        return found


class Draw(NamedTuple):
    """The rows of a replicate's test texts, and of its training texts by cell."""

    test: np.ndarray
    train: dict[Cell, np.ndarray]


def pool_of(settings: Settings, part: str = "all") -> Pool:
    """All texts of the data set, whatever split they are in.

    Raises:
        UserError: data that cannot be had, have not two classes, or have no such part.
    """
    raw = read_raw(settings)
    if len(raw.label_names) != 2:
        raise UserError(
            f"data.name = {raw.name}: has {len(raw.label_names)} classes; of two, one is the rarer"
        )
    if raw.train.queries is not None:
        raise UserError("data.query_column: texts are read without queries here; leave it out")
    splits = [each for each in (raw.train, raw.validation, raw.test) if each is not None]
    texts = [text for each in splits for text in _written(each)]
    marked = all(each.marks is not None for each in splits)
    people = [row for each in splits for row in each.human or each.marks or ()] if marked else None
    labels = np.concatenate([each.labels for each in splits])
    kept = range(len(texts)) if part == "all" else _of_part(settings, part, texts)
    return Pool(
        [texts[i] for i in kept],
        labels[list(kept)],
        raw.label_names,
        None if people is None else [[float(x) for x in people[i]] for i in kept],
    )


def _written(texts: Texts) -> list[str]:
    """With one blank between words, where these are known."""
    return list(texts.texts) if texts.words is None else [" ".join(each) for each in texts.words]


def _of_part(settings: Settings, part: str, texts: Sequence[str]) -> list[int]:
    """The numbers of the reviews that were published in that part."""
    if settings.data.name != "yelp_hat" or settings.data.train_file is not None:
        raise UserError(f"imbalance.part = {part}: is of yelp_hat; leave it out")
    place = find_place("yelp_hat", settings.data.dir)
    wanted: set[str] = set()
    for file in ("annotated", "summed_parts3_4_5"):
        if place.has(file):
            columns = place.columns(file, ["words", "subset"])
            pairs = zip(columns["words"], columns["subset"], strict=True)
            wanted |= {" ".join(words) for words, subset in pairs if subset in PARTS[part]}
    return [i for i, text in enumerate(texts) if text in wanted]


def cells_of(options: ImbalanceOptions, pool: Pool) -> list[Cell]:
    """All pairs of a size and a share, in the order in which they are given.

    Raises:
        UserError: what is no number, out of range, or more than the pool has.
    """
    faults: list[str] = []
    sizes = _numbers("sizes", options.sizes, 2, 1_000_000_000, faults)
    shares = _numbers("shares", options.shares, 0, 50, faults)
    faults += [f"imbalance.sizes: {x:g} is no whole number" for x in sizes if x % 1]
    cells = [Cell(int(size), share) for size in sizes for share in shares]
    if cells and not faults:
        faults += _too_few(options, pool, cells)
    if faults:
        raise UserError("\n".join(faults))
    return cells


def _numbers(name: str, text: str, least: float, most: float, faults: list[str]) -> Sequence[float]:
    """The numbers of `3,4,5`, each once; what is wrong with them goes to `faults`."""
    found: dict[float, None] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            value = float(part)
        except ValueError:
            value = math.nan
        if not least <= value <= most or value == 0:
            above = "above 0" if least == 0 else f"of at least {least:g}"
            faults.append(f"imbalance.{name}: {part} must be a number {above}, at most {most:g}")
        else:
            found[value] = None
    if not found and not faults:
        faults.append(f"imbalance.{name} = {text}: give at least one number")
    return list(found)


def _too_few(options: ImbalanceOptions, pool: Pool, cells: Sequence[Cell]) -> list[str]:
    """Which classes have too few texts for the test texts and the largest draw."""
    largest = max(cells, key=lambda cell: cell.size - cell.few)
    needed = max(largest.size - largest.few, max(cell.few for cell in cells))
    faults = []
    for label, name in enumerate(pool.names):
        there = int((pool.labels == label).sum())
        left = there - options.test_texts
        if left < 1 or (left < needed and not options.replacement):
            faults.append(
                f"imbalance.sizes: {largest.size:,} texts, {largest.share:g}% of the rarer class, "
                f"need {needed:,} of the other beside {options.test_texts:,} to test on, and class "
                f"{name} has {there:,}; give smaller sizes, or imbalance.replacement true"
            )
    return faults


def draw(
    pool: Pool, cells: Sequence[Cell], number: int, options: ImbalanceOptions, seed: int
) -> Draw:
    """Replicate `number`: its test texts without replacement, and of the rest its training texts.

    The rarer class is the first in even replicates and the second in odd ones.
    """
    rarer, count = number % 2, options.test_texts
    rngs = [np.random.default_rng([seed, number, label]) for label in (0, 1)]
    orders = [
        rng.permutation(np.flatnonzero(pool.labels == label)) for label, rng in enumerate(rngs)
    ]
    test = np.concatenate([order[:count] for order in orders])
    rest = [order[count:] for order in orders]
    if options.replacement:
        most = max(cell.size for cell in cells)
        rest = [rng.choice(order, most) for rng, order in zip(rngs, rest, strict=True)]
    train = {
        cell: np.concatenate([rest[rarer][: cell.few], rest[1 - rarer][: cell.size - cell.few]])
        for cell in cells
    }
    return Draw(test, train)


def write_draw(pool: Pool, drawn: Draw, folder: Path) -> tuple[Path, Mapping[Cell, Path]]:
    """Write what is missing of the files of a replicate; returns that of its test texts, and those
    of its training texts."""
    folder.mkdir(parents=True, exist_ok=True)
    test = folder / "test.jsonl"
    train = {cell: folder / f"{cell.name}.jsonl" for cell in drawn.train}
    for path, rows in [(test, drawn.test), *((train[c], drawn.train[c]) for c in train)]:
        if not path.exists():
            lines = [json.dumps(row, ensure_ascii=False) for row in pool.rows(rows.tolist())]
            write_whole(path, "\n".join(lines) + "\n")
    return test, train


def settings_of_files(settings: Settings, train: Path, test: Path, marked: bool) -> dict[str, Any]:
    """What training from the files changes of the settings: nothing is held out, and the texts are
    read as those of the data set are."""
    data = settings.data
    own = data.train_file is not None
    return {
        "data.train_file": str(train),
        "data.validation_file": str(train),
        "data.test_file": str(test),
        "data.text_column": "text",
        "data.label_column": "label",
        "data.query_column": None,
        "data.marks_column": "people" if marked else None,
        "data.keep_na": True,
        "data.protocol": None,
        "data.lowercase": data.lowercase if own else data.lowercase is not False,
        "data.strip_accents": data.strip_accents if own else data.strip_accents is not False,
        "train.choose": "last",
        "train.refit": False,
    }
