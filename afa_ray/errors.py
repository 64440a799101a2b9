"""The one exception that stands for a mistake in the user's input, not in this program."""


class UserError(ValueError):
    """Bad settings or data. The command line prints its message and exits with status 2.

    The message says what was wrong, the value, what is allowed and what to do.
    """


def first_line(error: Exception) -> str:
    """What a library raised, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
