"""What can be wrong with the rows of a user's table, gathered batch by batch.

Of a row only numbers are kept, so that a table need not fit into memory.
"""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any

from afa_ray.data.invisible import is_invisible, is_unicode
from afa_ray.data.labels import is_missing, label_name
from afa_ray.data.messages import as_one, listed, some_rows
from afa_ray.errors import UserError


class RowChecks:
    """The rows of a table with a text, a label, and maybe a query, counted from 1.

    Args:
        keep_na: "NA", "nan" and the like are labels.

    Attributes:
        rows: the numbers of the rows with a text that can be seen; empty: of those without.
        labels: of each of `rows`, the number of its label in `names`, by first appearance.
    """

    def __init__(self, keep_na: bool = False) -> None:
        self.count = 0
        self.keep_na = keep_na
        self.rows, self.empty, self.labels = array("q"), array("q"), array("q")
        self.names: dict[str, int] = {}
        self._not_strings, self._broken = array("q"), array("q")
        self._strange, self._unlabelled = array("q"), array("q")
        self._unasked = array("q")

    def add(self, texts: list[Any], labels: list[Any], queries: list[Any] | None = None) -> None:
        """Check the next rows."""
        for row in self._next_rows(texts, queries):
            self._unasked.append(row)
        for row, (text, label) in enumerate(zip(texts, labels, strict=True), self.count + 1):
            if _is_empty(text):
                self.empty.append(row)
                continue
            self.rows.append(row)
            if not isinstance(text, str):
                self._not_strings.append(row)
            elif not is_unicode(text):
                self._broken.append(row)
            name = label_name(label)
            if name is None:
                self._strange.append(row)
            elif not name or (is_missing(name) and not self.keep_na):
                self._unlabelled.append(row)
            self.labels.append(self.names.setdefault(name or "", len(self.names)))
        self.count += len(texts)

    def _next_rows(self, texts: list[Any], queries: list[Any] | None) -> list[int]:
        """Those with a text that has no query to be read for."""
        both = zip(texts, [] if queries is None else queries, strict=queries is not None)
        return [
            row
            for row, (text, query) in enumerate(both, self.count + 1)
            if not _is_empty(text)
            and (_is_empty(query) or not isinstance(query, str) or not is_unicode(query))
        ]

    def require_usable(
        self, path: Path, text_column: str, label_column: str, query_column: str | None = None
    ) -> None:
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
                f"{path}: column {label_column!r} holds neither a string, a number nor a boolean "
                f"in {some_rows(rows)} ({len(rows):,} in all)."
            )
        if rows := self._unlabelled:
            problems.append(
                f"{path}: no label in {some_rows(rows)} ({len(rows):,} in all). "
                f"Fill them in or remove the rows.{self._hint()}"
            )
        if rows := self._unasked:
            problems.append(
                f"{path}: column {query_column!r} holds no text in {some_rows(rows)} "
                f"({len(rows):,} in all). Fill them in or remove the rows."
            )
        if problems:
            raise as_one(problems)

    def _hint(self) -> str:
        """What to do where words stand for missing labels."""
        words = (
            [] if self.keep_na else sorted(name for name in self.names if name and is_missing(name))
        )
        if not words:
            return ""
        return (
            f" If {listed(words)} {'is' if len(words) == 1 else 'are'} no missing value but the "
            "name of a class, set data.keep_na to true."
        )


def _is_empty(text: Any) -> bool:
    """Whether there is no character that can be seen."""
    return text is None or (isinstance(text, str) and is_invisible(text))
