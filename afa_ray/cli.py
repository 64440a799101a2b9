"""`afa-ray COMMAND …`: the commands of this project under one name, beside `python -m MODULE`."""

from __future__ import annotations

import ast
import difflib
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from afa_ray import __version__
from afa_ray.command_line import USAGE_ERROR
from afa_ray.output import print_anywhere

# By name: the module that has the command's `main`. Modules are named, not imported: a command
# loads its own alone, and those of `tune` stand above this package.
COMMANDS = {
    "train": "afa_ray.train",
    "explain": "afa_ray.explain",
    "serve": "afa_ray.serve",
    "audit": "afa_ray.audit",
    "track": "afa_ray.track",
    "compare": "tune.compare",
    "sensitivity": "tune.sensitivity",
    "search": "tune.search",
    "expnet": "tune.expnet",
    "imbalance": "tune.imbalance",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status, or 2 where none of that name is known."""
    print_anywhere()
    name, *rest = (sys.argv[1:] if arguments is None else list(arguments)) or [""]
    if name in COMMANDS:
        return import_module(COMMANDS[name]).main(rest)
    if name in ("-h", "--help", "help"):
        print(overview())
        return 0
    if name in ("-V", "--version"):
        print(f"afa-ray {__version__}")
        return 0
    print(f"afa-ray: cannot run:\n  {_complaint(name)}", file=sys.stderr)
    return USAGE_ERROR


def overview() -> str:
    """All commands, a line each, from what their modules say of themselves."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {summary(module)}" for name, module in COMMANDS.items()]
    return "\n".join(
        [
            "usage: afa-ray COMMAND [--config FILE] [--group.name VALUE ...]",
            "",
            "Text classifiers whose attention can be trusted.",
            "",
            "commands:",
            *lines,
            "",
            "afa-ray COMMAND --help explains a command's settings, afa-ray --version the version.",
        ]
    )


def summary(module: str) -> str:
    """The first sentence of a module's docstring, behind the command line it begins with; read
    from its source, because importing PyTorch and Ray takes seconds."""
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    text = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
    return text.split("\n\n")[0].replace("\n", " ").partition("`: ")[2].rstrip(".")


def _complaint(name: str) -> str:
    known = f"commands are {', '.join(COMMANDS)}"
    if not name:
        return f"a command is missing; {known}"
    near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
    return f"{name}: there is no such command; " + (f"did you mean {near[0]}?" if near else known)


if __name__ == "__main__":
    sys.exit(main())
