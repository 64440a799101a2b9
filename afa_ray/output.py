"""Where commands print to."""

from __future__ import annotations

import sys


def print_anywhere() -> None:
    """Have characters that the output's encoding lacks printed as `\\u4e2d`, as stderr does it."""
    if getattr(sys.stdout, "errors", None) == "strict" and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
