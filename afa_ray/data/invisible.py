"""Characters that cannot be seen: spaces, controls, zero-width signs and blank letters."""

from __future__ import annotations

import unicodedata

WITHOUT_FORM = {"Zs", "Zl", "Zp", "Cc", "Cf"}  # Unicode's categories of spaces, controls and marks
# Signs that choose the style of the one before them, and letters that are blank.
BLANK = {*map(chr, range(0xFE00, 0xFE10)), *"\u034f\u115f\u1160\u2800\u3164\uffa0"}


def is_invisible(text: str) -> bool:
    """Whether no character of `text` can be seen."""
    return all(_without_form(character) or character in BLANK for character in text)


def is_unicode(text: str) -> bool:
    """Whether it has no half of a character pair, which nothing else reads."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def trimmed(text: str) -> str:
    """Without spaces, controls and zero-width signs at either end."""
    if text.isascii():
        return text.strip()
    seen = [place for place, character in enumerate(text) if not _without_form(character)]
    return text[seen[0] : seen[-1] + 1] if seen else ""


def _without_form(character: str) -> bool:
    return unicodedata.category(character) in WITHOUT_FORM
