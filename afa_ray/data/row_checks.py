"""What can be wrong with the rows of a user's table, gathered batch by batch.

Of a row only numbers are kept, so that a table need not fit into memory.
"""

from __future__ import annotations

import math
from array import array
from pathlib import Path
from typing import Any

from afa_ray.data.messages import as_one, some_rows
from afa_ray.errors import UserError

LABEL_TYPES = (str, int, float, type(None))


class RowChecks:
    """The rows of a table with a text and a label, counted from 1.

    Attributes:
        rows: the numbers of the rows with a text; empty: of those without.
        labels: of each of `rows`, the number of its label in `names`, by first appearance.
    """

    def __init__(self) -> None:
        self.count = 0
        self.rows, self.empty, self.labels = array("q"), array("q"), array("q")
        self.names: dict[str, int] = {}
        self._not_strings, self._broken = array("q"), array("q")
        self._strange, self._unlabelled = array("q"), array("q")

    def add(self, texts: list[Any], labels: list[Any]) -> None:
        """Check the next rows."""
        for row, (text, label) in enumerate(zip(texts, labels, strict=True), self.count + 1):
            if _is_empty(text):
                self.empty.append(row)
                continue
            self.rows.append(row)
            if not isinstance(text, str):
                self._not_strings.append(row)
            elif not _is_unicode(text):
                self._broken.append(row)
            if not isinstance(label, LABEL_TYPES) or _is_fraction(label):
                self._strange.append(row)
            name = _label_name(label)
            if not name:
                self._unlabelled.append(row)
            self.labels.append(self.names.setdefault(name, len(self.names)))
        self.count += len(texts)

    def require_usable(self, path: Path, text_column: str, label_column: str) -> None:
        """UserError with everything that was wrong."""
        if not self.rows:
            raise UserError(f"{path}: no row holds a text in column {text_column!r}.")
        problems = []
        if rows := self._not_strings:
            problems.append(
                f"{path}: column {text_column!r} does not hold a string in {some_rows(rows)} "
                f"({len(rows):,} in all)."
            )
        if rows := self._broken:
            problems.append(
                f"{path}: half of a character pair, which is no Unicode text, in {some_rows(rows)}."
            )
        if rows := self._strange:
            problems.append(
                f"{path}: column {label_column!r} holds neither a string, a whole number nor a "
                f"boolean in {some_rows(rows)} ({len(rows):,} in all)."
            )
        if rows := self._unlabelled:
            problems.append(
                f"{path}: no label in {some_rows(rows)} ({len(rows):,} in all). "
                "Fill them in or remove the rows."
            )
        if problems:
            raise as_one(problems)


def _is_empty(text: Any) -> bool:
    return text is None or (isinstance(text, str) and (not text or text.isspace()))


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _is_fraction(label: Any) -> bool:
    return isinstance(label, float) and label == label and label % 1 != 0


def _label_name(value: Any) -> str:
    """The label as a name; "" where there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value % 1 == 0:
        return str(int(value))  # a column of whole numbers with gaps is stored as floats
    return str(value).strip()
