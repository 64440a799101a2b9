"""The one exception that stands for a mistake in the user's input, not in this program."""


class UserError(ValueError):
    """Bad settings or data. The command line prints its message and exits with status 2.

    The message says what was wrong, the value, what is allowed and what to do.
    """
