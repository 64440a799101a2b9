"""The exceptions that are meant for people: the command line prints them, without a traceback."""

from __future__ import annotations

import errno

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_ROOM_WORDS = ("No space left on device", "Disk quota exceeded", "File too large")


class UserError(ValueError):
    """Bad settings or data. The command line prints its message and exits with status 2.

    The message says what was wrong, the value, what is allowed and what to do.
    """


class DivergedError(ArithmeticError):
    """Training that came to figures which are not finite. The command line exits with status 1."""


def first_line(error: BaseException) -> str:
    """What a library raised, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def full_disk(error: BaseException | None) -> BaseException | None:
    """What was raised for a full disk: the error, or what a UserError was made of; None where that
    is something else."""
    while isinstance(error, UserError):
        error = error.__cause__ or error.__context__
    return error if error is not None and no_room(error) else None


def no_room(error: BaseException) -> bool:
    """Whether it says that a disk is full, a quota is used up or a file may not grow; libraries
    that are not Python's, and Ray for its workers, say so in words alone."""
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return True
    return any(words in str(error) for words in NO_ROOM_WORDS)


def printable(text: str) -> str:
    """A text whose control characters cannot command the terminal, in one line."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text)
