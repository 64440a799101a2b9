"""Command lines of a few options: what is wrong with one is said as everywhere, all at once."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from typing import Any, NoReturn

from afa_ray.errors import UserError


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are UserErrors, with a did-you-mean; options are given by
    their whole names."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        option, _, rest = message.removeprefix("argument ").partition(": ")
        raise UserError(f"{option.lstrip('-')}: {rest}; see --help" if rest else message)

    def read(self, arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
        """The options, and a line for every one that there is none of.

        Raises:
            UserError: a value that cannot be read, or none.
            SystemExit: 0 after `--help`.
        """
        given, unknown = self.parse_known_args(arguments)
        faults = [self._unknown(word) for word in unknown if word.startswith("-")]
        if not faults and unknown:
            faults = [f"{unknown[0]}: options are given as --name value; see --help"]
        return given, faults

    def _unknown(self, word: str) -> str:
        option = word.partition("=")[0]
        known = {
            key.lstrip("-"): name
            for action in self._actions
            for name in action.option_strings
            for key in (name, name.rpartition(".")[2])
        }
        near = difflib.get_close_matches(option.lstrip("-"), known, n=1, cutoff=0.6)
        hint = f"did you mean {known[near[0]]}?" if near else "see --help"
        return f"{option}: there is no such option; {hint}"
