"""What people marked in the texts of a user's table."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from afa_ray.data.messages import as_one, some_rows


class Marked(NamedTuple):
    """Of each text its words, their marks, 1 or 0, and how much people attend to them."""

    words: list[list[str]]
    marks: list[list[int]]
    queries: None
    human: list[list[float]]


class MarkedRows:
    """The marks of a table's rows, gathered batch by batch; rows are counted from 1."""

    def __init__(self, path: Path, column: str) -> None:
        self.path, self.column = path, column
        self._words: list[list[str]] = []
        self._human: list[list[float]] = []
        self._marks: list[list[int]] = []
        self._strange, self._uneven = array("q"), array("q")
        self._first = ""

    def add(self, texts: list[Any], values: list[Any]) -> None:
        """Read the next rows."""
        for text, value in zip(texts, values, strict=True):
            words = text.split() if isinstance(text, str) else []
            people = as_people(value)
            row = len(self._words) + 1
            if people is None:
                self._strange.append(row)
            elif uneven := {len(one) for one in people} - {len(words)}:
                self._uneven.append(row)
                self._first = self._first or f"{len(words)} words, {uneven.pop()} marks"
            fits = people is not None and all(len(one) == len(words) for one in people)
            each = people if people and fits else [[0.0] * len(words)]
            self._words.append(words)
            self._human.append([sum(word) for word in zip(*each, strict=True)])
            self._marks.append(
                [int(sum(x > 0 for x in word) * 2 >= len(word)) for word in zip(*each, strict=True)]
            )

    def of(self, rows: Sequence[int]) -> Marked:
        """Those of the given rows.

        Raises:
            UserError: what is wrong in any of them.
        """
        kept, problems = set(rows), []
        where = f"{self.path}: data.marks_column = {self.column}"
        if strange := [row for row in self._strange if row in kept]:
            problems.append(
                f"{where}: neither a list of numbers of at least 0, such as [0, 1, 0], nor a list "
                f"of such lists in {some_rows(strange)} ({len(strange):,} in all)."
            )
        if uneven := [row for row in self._uneven if row in kept]:
            problems.append(
                f"{where}: not one number for each word (what blanks separate) in "
                f"{some_rows(uneven)} ({len(uneven):,} in all); the first has {self._first}."
            )
        if problems:
            raise as_one(problems)
        places = [row - 1 for row in rows]
        return Marked(
            words=[self._words[i] for i in places],
            marks=[self._marks[i] for i in places],
            queries=None,
            human=[self._human[i] for i in places],
        )


def as_people(value: Any) -> list[list[float]] | None:
    """Each person's numbers; none for an empty value, None for what is no list of numbers."""
    if isinstance(value, str):
        if not value.strip():
            return []
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if value is None:
        return []
    if not isinstance(value, list):
        return None
    people = value if value and all(isinstance(one, list) for one in value) else [value]
    if not all(_is_number(x) for one in people for x in one):
        return None
    return [[float(x) for x in one] for one in people if one]


def _is_number(x: Any) -> bool:
    return isinstance(x, bool | int | float) and 0 <= x < math.inf
