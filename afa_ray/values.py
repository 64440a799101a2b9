"""A setting's value: what a person wrote, read as the type that the setting has."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import NoneType
from typing import Any, Literal, get_args, get_origin

NOTHING = {"null", "~"}
SWITCH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
WHOLE = re.compile(r"[-+]?\d[\d_]{0,99}|0x[\da-f]{1,80}", re.ASCII)
NUMBER = re.compile(
    r"[-+]?(?:\d[\d_]{0,400}\.?[\d_]{0,400}|\.\d{1,400})(?:e[-+]?\d{1,9})?", re.ASCII
)
SPECIAL = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}


def read_value(value: Any, kind: Any) -> Any:
    """A value of the declared type `kind`: bool, int, float, str, a Literal, or several of them.

    Args:
        value: a text, or what YAML made of one.

    Raises:
        ValueError: it is none.
    """
    if get_origin(kind) is Literal:
        return _one_of(value, get_args(kind))
    kinds = get_args(kind) or (kind,)
    text = _as_text(value)
    if NoneType in kinds and text.lower() in NOTHING:
        return None
    for one in (bool, int, float, str):
        if one in kinds and (found := _READERS[one](text)) is not None:
            return found
    raise ValueError(value)


def fits(value: Any, kind: Any) -> bool:
    """Whether a value of Python's is of the declared type, without being read as it."""
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    kinds = get_args(kind) or (kind,)
    return type(value) in kinds or (float in kinds and type(value) is int)


def in_words(kind: Any) -> str:
    """What a setting of the declared type takes."""
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    kinds = [k for k in get_args(kind) or (kind,) if k is not NoneType]
    return {bool: "true or false", int: "a whole number", float: "a number"}.get(kinds[0], "a text")


def _as_text(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return next((name for name, text in SPECIAL.items() if text == repr(value)), repr(value))
    if isinstance(value, int | str):
        return str(value)
    raise ValueError(value)


def _one_of(value: Any, allowed: tuple[Any, ...]) -> Any:
    if value not in allowed:
        raise ValueError(value)
    return value


def _switch(text: str) -> bool | None:
    return SWITCH.get(text.lower())


def _whole(text: str) -> int | None:
    text = text.strip().lower()
    if not WHOLE.fullmatch(text):
        return None
    return int(text, 16) if text.startswith("0x") else int(text.replace("_", ""))


def _number(text: str) -> float | None:
    text = text.strip().lower()
    if (whole := _whole(text)) is not None:
        return float(whole)
    if text in SPECIAL:
        return float(SPECIAL[text])
    return float(text.replace("_", "")) if NUMBER.fullmatch(text) else None


_READERS: dict[type, Callable[[str], Any]] = {bool: _switch, int: _whole, float: _number, str: str}
