"""The command lines of this project: YAML plus overrides, every mistake reported at once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from jsonargparse import ArgumentParser, set_parsing_settings

from afa_ray.complaints import REMOVED, complaints, removed
from afa_ray.config import Settings
from afa_ray.dotted import S, kinds_of, leaves, override, to_yaml, unknown
from afa_ray.errors import (
    NO_ROOM_WORDS,
    DivergedError,
    UserError,
    first_line,
    full_disk,
    printable,
)
from afa_ray.output import print_anywhere
from afa_ray.redaction import redacted
from afa_ray.values import in_words, read_value
from afa_ray.yaml_files import YamlError, load_yaml

DIVERGED = 1  # exit status
USAGE_ERROR = 2  # exit status
INTERRUPTED = 130  # exit status, as shells give it

SHOWN = 300  # characters of either end of a fault that is longer than both
FULL = "the disk is full ({}): make room, and give the same command again; what was whole still is"

set_parsing_settings(docstring_parse_attribute_docstrings=True)


@dataclass(frozen=True)
class Command(Generic[S]):
    """One command: its module, what it does, its settings and what it finds wrong with them."""

    module: str
    description: str
    settings: type[S]
    complaints: Callable[[S], list[str]]


TRAIN = Command(
    "afa_ray.train",
    "Train a text classifier with adversarial feedback for its attention.",
    Settings,
    complaints,
)


def run_command(command: Command[S], run: Callable[[S], int], arguments: Sequence[str]) -> int:
    """Parse and run; returns the exit status, see `answer`."""
    return answer(command.module, lambda: run(parse(arguments, command)))


def answer(module: str, work: Callable[[], int | None]) -> int:
    """Do a command's work; returns the exit status: the work's own, 1 where training diverged, 2
    after a mistake of the user's or where a disk is full, which is said."""
    print_anywhere()
    try:
        return work() or 0
    except DivergedError as error:
        print(f"{module}: stopped:\n{_indent(str(error))}", file=sys.stderr)
        return DIVERGED
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if full := full_disk(error):
            said = f"cannot go on:\n  {FULL.format(_said_of_disk(full))}"
        elif isinstance(error, UserError):
            lines = redacted(str(error)).split("\n")
            said = "cannot run:\n" + _indent("\n".join(map(printable, lines)))
        else:
            raise
        print(f"{module}: {said}", file=sys.stderr)
        return USAGE_ERROR


def make_parser(command: Command[S]) -> ArgumentParser:
    parser = ArgumentParser(
        prog=f"python -m {command.module}",
        description=command.description,
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
    parser.add_class_arguments(command.settings, as_group=False)
    return parser


def parse(arguments: Sequence[str], command: Command[S] = TRAIN) -> S:  # type: ignore[assignment]
    """Settings from `--config FILE` and `--group.name value` arguments, in that order of priority.

    Raises:
        UserError: with one line for every unknown name, unreadable value or value out of range.
        SystemExit: 0 after `--help` or `--print-config`.
    """
    if {"-h", "--help"} & set(arguments):
        make_parser(command).print_help()
        sys.exit(0)
    faults: list[str] = []
    files, assignments, print_config = _split(arguments, faults)
    pairs = [pair for file in files for pair in read_config(file, faults)]
    settings = settings_from([*pairs, *assignments], command, faults)
    faults += command.complaints(settings)
    if faults:
        raise UserError("\n".join(_in_short(fault) for fault in faults))
    if print_config:
        print(to_yaml(settings), end="")
        sys.exit(0)
    return settings


def _in_short(fault: str) -> str:
    """What is wrong, and what to do, without the middle of a value of thousands of characters."""
    return fault if len(fault) <= 2 * SHOWN else f"{fault[:SHOWN]} … {fault[-SHOWN:]}"


def settings_from(pairs: Sequence[tuple[str, Any]], command: Command[S], faults: list[str]) -> S:
    """Defaults with the (dotted name, value) `pairs` put in; what cannot be goes to `faults`."""
    accepted: dict[str, Any] = {}
    kinds = kinds_of(command.settings)
    for name, value in pairs:
        if name in REMOVED:
            faults += [fault] if (fault := _removed(name, value)) else []
            continue
        if name not in kinds:
            faults.append(unknown(name, value, list(kinds)))
            continue
        try:
            accepted[name] = read_value(value, kinds[name])
        except ValueError:
            faults.append(f"{name} = {value}: must be {in_words(kinds[name])}")
    return override(command.settings(), accepted)


def read_config(file: str, faults: list[str]) -> Iterator[tuple[str, Any]]:
    """(dotted name, value) pairs of a YAML file; nested or dotted names alike."""
    try:
        content = load_yaml(Path(file).read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        faults.append(f"config = {file}: there is no such file")
    except (OSError, UnicodeDecodeError) as error:
        faults.append(f"config = {file}: cannot be read: {error}")
    except YamlError as error:
        faults.append(f"config = {file}: not valid YAML: {error}")
    else:
        if isinstance(content, dict):
            yield from leaves(content)
        else:
            faults.append(f"config = {file}: must hold settings such as 'afa: {{k: 3}}'")


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


def _removed(name: str, value: Any) -> str | None:
    """The complaint about a setting of before, of whose type its value that is off still tells."""
    off = REMOVED[name]
    try:
        is_off = read_value(value, type(off)) == off
    except ValueError:
        is_off = False
    return removed(name, off if is_off else value)


def _said_of_disk(error: BaseException) -> str:
    """The words for it, with the file where that is known."""
    lines = str(error).strip().splitlines()
    said = next((ln for ln in lines if any(w in ln for w in NO_ROOM_WORDS)), first_line(error))
    return redacted(said.strip())


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
