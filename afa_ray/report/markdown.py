"""Text of others in Markdown: one line, without markup and without control characters."""

from __future__ import annotations

import html

from afa_ray.errors import printable

MARKUP = "\\`*_[]|~"


def plain(text: str) -> str:
    """The text as it is, wherever it stands in a line of Markdown."""
    line = html.escape(printable(" ".join(text.split())), quote=False)
    return "".join(f"\\{c}" if c in MARKUP else c for c in line)
