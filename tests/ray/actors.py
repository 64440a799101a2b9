"""Processes of a test's own cluster."""

from contextlib import suppress

import psutil


def processes_of(name: str) -> list[psutil.Process]:
    """Those that this process has started, directly or not, and that are called so."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has ended meanwhile
            if name in " ".join(process.cmdline()):
                found.append(process)
    return found
