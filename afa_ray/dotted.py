"""Settings by their dotted names: laid out, changed, written down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any, TypeVar

from afa_ray.config import Settings
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
    """Settings with the values of dotted names replaced: `override(settings, {"afa.k": 2})`."""
    changed = {
        name: _replaced(getattr(settings, name), group) for name, group in _nest(values).items()
    }
    return replace(settings, **changed)


def _replaced(old: Any, new: Any) -> Any:
    """`new`, or where it is a group of settings, `old` with these replaced."""
    if not isinstance(new, dict):
        return new
    return replace(old, **{name: _replaced(getattr(old, name), x) for name, x in new.items()})


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
