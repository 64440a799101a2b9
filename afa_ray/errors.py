"""The exceptions that are meant for people: the command line prints them, without a traceback."""


class UserError(ValueError):
    """Bad settings or data. The command line prints its message and exits with status 2.

    The message says what was wrong, the value, what is allowed and what to do.
    """


class DivergedError(ArithmeticError):
    """Training that came to figures which are not finite. The command line exits with status 1."""


def first_line(error: Exception) -> str:
    """What a library raised, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
