"""The texts that a user asks about: given one by one, or the rows of a file of any size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from afa_ray.data.invisible import is_invisible, is_unicode
from afa_ray.data.streamed import Row, stream_columns
from afa_ray.errors import UserError

TOLD = 6  # rows without a text


@dataclass(frozen=True, kw_only=True)
class AskedTexts:
    """`text`, and for each a `query` where there are any; or a file, by its columns of texts and of
    what they are read for."""

    text: Sequence[str] = ()
    query: Sequence[str] = ()
    file: str | None = None
    text_column: str = "text"
    query_column: str | None = None

    def rows(self) -> Iterator[Row]:
        """The rows that hold a text; none but a part of a file is in memory."""
        for number, (text, query) in enumerate(self._pairs(), 1):
            if text is not None and not is_invisible(text):
                yield Row(number, text, query)

    def count(self) -> tuple[int, list[int]]:
        """How many texts there are, and the first rows of the file that hold none.

        Raises:
            UserError: a file that cannot be read to its end, a row that is no text, a text without
                a query where others have one, or no text at all.
        """
        if self.file is None:
            for name, given in (("text", self.text), ("query", self.query)):
                _require_words(name, given)
            return len(self.text), []
        total = 0
        empty: list[int] = []
        for row, (text, query) in enumerate(self._pairs(), 1):
            if text is not None and not isinstance(text, str):
                raise UserError(
                    f"{self.file}: row {row} of the column {self.text_column!r} holds {text!r}, "
                    "not a text; name the column with the texts: --text_column"
                )
            if text is None or is_invisible(text):
                empty += [row] * (len(empty) < TOLD)
            else:
                total += 1
                self._require_unicode(row, self.text_column, text)
                self._require_query(row, query)
        if not total:
            raise UserError(f"{self.file}: the column {self.text_column!r} holds no text")
        return total, empty

    def _pairs(self) -> Iterator[tuple[Any, Any]]:
        """(text, query) of each row, None for a query where there are none."""
        if self.file is None:
            return zip_longest(self.text, self.query)
        file = Path(self.file).expanduser()
        if self.query_column is None:
            return ((text, None) for (text,) in stream_columns(file, [self.text_column]))
        return (
            (text, query)
            for text, query in stream_columns(file, [self.text_column, self.query_column])
        )

    def _require_unicode(self, row: int, column: str, text: str) -> None:
        if not is_unicode(text):
            raise UserError(
                f"{self.file}: row {row} of the column {column!r} has half of a character pair, "
                "which is no Unicode; mend the row"
            )

    def _require_query(self, row: int, query: Any) -> None:
        if not self.query_column:
            return
        if isinstance(query, str) and not is_invisible(query):
            self._require_unicode(row, self.query_column, query)
        else:
            raise UserError(
                f"{self.file}: row {row} of the column {self.query_column!r} holds {query!r}, not "
                "what its text is read for; mend the row, or name another --query_column"
            )


def _require_words(name: str, given: Sequence[str]) -> None:
    for number, text in enumerate(given, 1):
        if is_invisible(text):
            raise UserError(f"{name} = {text!r}: {name} {number} is empty; give at least one word")
        if not is_unicode(text):
            raise UserError(f"{name} = {text!r}: {name} {number} is no Unicode; mend it")
