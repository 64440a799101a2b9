"""Pieces of messages for the user: did-you-mean, row numbers, several problems in one error."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from afa_ray.errors import UserError


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """ " Did you mean 'x'?" with the option closest to `word`, or "" where none is close."""
    close = difflib.get_close_matches(word, list(options), n=1, cutoff=0.7)
    return f" Did you mean {close[0]!r}?" if close else ""


def some_rows(rows: Sequence[int]) -> str:
    """The first five of `rows` in words: "row 3", "rows 3, 4", "rows 1, 2, 3, 4, 5, ..."."""
    shown = ", ".join(str(row) for row in rows[:5])
    return f"row{'s' if len(rows) > 1 else ''} {shown}{', ...' if len(rows) > 5 else ''}"


def listed(names: Sequence[str]) -> str:
    """The first twenty names in quotes, with the number of all where there are more."""
    shown = ", ".join(repr(name) for name in names[:20])
    return shown if len(names) <= 20 else f"{shown}, ... ({len(names):,} in all)"


def as_one(problems: Sequence[str]) -> UserError:
    """One error for one or more problems, each on its own line."""
    return UserError("\n".join(problems))
