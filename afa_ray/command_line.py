"""The command line of `afa_ray.train`: YAML plus overrides, every mistake reported at once."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import yaml
from jsonargparse import ArgumentError, ArgumentParser, set_parsing_settings

from afa_ray.config import Settings, complaints, flatten
from afa_ray.errors import UserError

USAGE_ERROR = 2  # exit status

set_parsing_settings(docstring_parse_attribute_docstrings=True)


def make_parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m afa_ray.train",
        description="Train a text classifier with adversarial feedback for its attention.",
        usage="%(prog)s [--config FILE] [--group.name VALUE ...]",
        exit_on_error=False,
        default_env=False,
    )
    parser.add_argument(
        "--config", action="append", metavar="FILE", help="YAML with settings; later ones win"
    )
    parser.add_argument(
        "--print-config", action="store_true", help="print the settings as YAML and stop"
    )
    parser.add_class_arguments(Settings, as_group=False)
    return parser


def parse(arguments: Sequence[str]) -> Settings:
    """Settings from `--config FILE` and `--group.name value` arguments, in that order of priority.

    Raises:
        UserError: with one line for every unknown name, unreadable value or value out of range.
        SystemExit: 0 after `--help` or `--print-config`.
    """
    parser = make_parser()
    if {"-h", "--help"} & set(arguments):
        parser.print_help()
        sys.exit(0)
    faults: list[str] = []
    accepted = parser.get_defaults()
    known = flatten(Settings())
    files, assignments, print_config = _split(arguments, faults)
    for name, value in [*_from_files(files, faults), *assignments]:
        if name not in known:
            faults.append(_unknown(name, value, list(known)))
            continue
        try:
            text = value if isinstance(value, str) else yaml.safe_dump(value).removesuffix("...\n")
            accepted[name] = parser.parse_args([f"--{name}={text.strip()}"])[name]
        except ArgumentError:
            faults.append(f"{name} = {value}: must be {_allowed(name)}")
    settings = parser.instantiate_classes(accepted)
    settings = Settings(**{group: settings[group] for group in Settings.__dataclass_fields__})
    faults += complaints(settings)
    if faults:
        raise UserError("\n".join(faults))
    if print_config:
        print(to_yaml(settings), end="")
        sys.exit(0)
    return settings


def to_yaml(settings: Settings) -> str:
    """Settings as YAML that `--config` takes."""
    nested: dict[str, dict[str, Any]] = {}
    for name, value in flatten(settings).items():
        group, field = name.split(".")
        nested.setdefault(group, {})[field] = value
    return yaml.safe_dump(nested, sort_keys=False, allow_unicode=True)


def _split(
    arguments: Sequence[str], faults: list[str]
) -> tuple[list[str], list[tuple[str, str]], bool]:
    """Files of `--config`, (name, value) pairs, and whether `--print-config` was given."""
    files: list[str] = []
    pairs: list[tuple[str, str]] = []
    print_config = False
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        if name.replace("-", "_") == "print_config" and not equals:
            print_config = True
            continue
        if not word.startswith("--") or not name:
            faults.append(f"{word}: settings are given as --name value, for example --afa.k 3")
            continue
        if not equals:
            if not rest or rest[0].startswith("--"):
                faults.append(f"{name}: a value is missing; give --{name} VALUE")
                continue
            value = rest.pop(0)
        if name == "config":
            files.append(value)
        else:
            pairs.append((name, value))
    return files, pairs, print_config


def _from_files(files: list[str], faults: list[str]) -> Iterator[tuple[str, Any]]:
    """(name, value) pairs of YAML files; nested or dotted names alike."""
    for file in files:
        try:
            content = yaml.safe_load(Path(file).read_text(encoding="utf-8")) or {}
        except FileNotFoundError:
            faults.append(f"config = {file}: there is no such file")
        except (OSError, UnicodeDecodeError) as error:
            faults.append(f"config = {file}: cannot be read: {error}")
        except yaml.YAMLError as error:
            faults.append(f"config = {file}: not valid YAML: {' '.join(str(error).split())}")
        else:
            if isinstance(content, dict):
                yield from _leaves(content)
            else:
                faults.append(f"config = {file}: must hold settings such as 'afa: {{k: 3}}'")


def _leaves(content: dict[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _unknown(name: str, value: Any, known: list[str]) -> str:
    """The complaint about an unknown setting, with the names that it may stand for."""
    last = {n.split(".")[-1]: n for n in known}
    near = difflib.get_close_matches(name, known, n=2, cutoff=0.6)
    near += [last[m] for m in difflib.get_close_matches(name.split(".")[-1], last, n=2, cutoff=0.7)]
    near += [n for n in known if n.startswith(name)]
    hint = f"did you mean {' or '.join(dict.fromkeys(near[:3]))}?" if near else "see --help"
    return f"{name} = {value}: there is no such setting; {hint}"


def _allowed(name: str) -> str:
    """What a setting takes, in words."""
    group, field = name.split(".")
    kind = get_type_hints(type(getattr(Settings(), group)))[field]
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    kinds = [k for k in get_args(kind) or (kind,) if k is not type(None)]
    return {bool: "true or false", int: "a whole number", float: "a number"}.get(kinds[0], "a text")
