"""Settings by their dotted names: laid out, changed, written down."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, is_dataclass, replace
from typing import Any, TypeVar, get_type_hints

from afa_ray.config import Settings
from afa_ray.errors import UserError
from afa_ray.yaml_files import dump_yaml

S = TypeVar("S", bound=Settings)


def flatten(settings: Settings) -> dict[str, Any]:
    """`{"afa.k": 3, …, "target.lora.r": 0, …}`, in the order of `Settings`."""
    return dict(leaves(asdict(settings)))


def leaves(nested: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of everything in nested dictionaries."""
    for name, value in nested.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def override(settings: S, values: Mapping[str, Any]) -> S:
    """Settings with the values of dotted names replaced: `override(settings, {"afa.k": 2})`.

    Raises:
        UserError: with a line for every name that is no setting's.
    """
    known = flatten(settings)
    others = {name: value for name, value in values.items() if name not in known}
    if others:
        raise UserError("\n".join(unknown(*each, list(known)) for each in others.items()))
    return _replaced(settings, _nest(values))


def _replaced(old: Any, new: Any) -> Any:
    """`new`, or where it is a group of settings, `old` with these replaced; a path as text."""
    if isinstance(new, dict):
        return replace(old, **{name: _replaced(getattr(old, name), x) for name, x in new.items()})
    return os.fspath(new) if isinstance(new, os.PathLike) else new


def unknown(name: str, value: Any, known: list[str]) -> str:
    """The complaint about an unknown setting, with the names that it may stand for."""
    if any(n.startswith(f"{name}.") for n in known):
        return f"{name} = {value}: is a group of settings; give one of them as {name}.NAME"
    last = {n.split(".")[-1]: n for n in known}
    near = difflib.get_close_matches(name, known, n=2, cutoff=0.6)
    near += [last[m] for m in difflib.get_close_matches(name.split(".")[-1], last, n=2, cutoff=0.7)]
    near += [n for n in known if n.startswith(name)]
    hint = f"did you mean {' or '.join(dict.fromkeys(near[:3]))}?" if near else "see --help"
    return f"{name} = {value}: there is no such setting; {hint}"


def kinds_of(group: type, prefix: str = "") -> dict[str, Any]:
    """The declared type of every setting in a class of them, by dotted name."""
    found: dict[str, Any] = {}
    for name, kind in get_type_hints(group).items():
        if isinstance(kind, type) and is_dataclass(kind):
            found |= kinds_of(kind, f"{prefix}{name}.")
        else:
            found[prefix + name] = kind
    return found


def _nest(values: Mapping[str, Any]) -> dict[str, Any]:
    """The reverse of `leaves`."""
    nested: dict[str, Any] = {}
    for name, value in values.items():
        *groups, last = name.split(".")
        inner = nested
        for group in groups:
            inner = inner.setdefault(group, {})
        inner[last] = value
    return nested


def to_yaml(settings: Settings) -> str:
    """Settings as YAML that `--config` takes."""
    return dump_yaml(asdict(settings))
