"""What the classes in a label column are called, whatever the format of the file.

Of a table that is kept as text, as numbers or with gaps, as floats, come 1, "1" and 1.0: in a
column of numbers they are one class. Names are compared as they are written everywhere else.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from afa_ray.data.invisible import trimmed

# With a leading zero it is a code: 01 is not 1.
NUMBER = re.compile(r"[+-]?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,2})?")
TRUTH = {"true", "false"}
# What spreadsheets, databases, R and pandas write for a value that is not there; in any case.
MISSING = {
    *("", "nan", "+nan", "-nan", "na", "n/a", "<na>", "null"),
    *("#n/a", "#na", "#n/a n/a", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
}


def label_name(value: Any) -> str | None:
    """A label as text, without what cannot be seen at its ends and with letters and accents in one
    form; "" where there is none, None for what cannot be a label."""
    if value is None or (isinstance(value, float | Decimal) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float | Decimal) and math.isinf(value):
        return None
    if not isinstance(value, str | int | float | Decimal):
        return None
    return unicodedata.normalize("NFC", trimmed(str(value)))


def is_missing(name: str) -> bool:
    """Whether a label stands for a missing value; "none", unlike Python's None, is a name."""
    return name.lower() in MISSING or name in ("None", "NaT")


def naming(names: Iterable[str]) -> Callable[[str], str]:
    """From labels to the names of their classes, by the labels of the training texts."""
    present = [name for name in names if not is_missing(name)]
    if all(map(NUMBER.fullmatch, present)):
        return _number
    return str.lower if all(name.lower() in TRUTH for name in present) else str


def in_order(names: Iterable[str]) -> list[str]:
    """Numbers by their size, with names for missing values behind; all else alphabetically."""
    found = sorted(names)
    if all(NUMBER.fullmatch(name) or is_missing(name) for name in found):
        found.sort(key=lambda name: (1, Decimal(0)) if is_missing(name) else (0, Decimal(name)))
    return found


def _number(name: str) -> str:
    """Whole numbers without a point; other numbers, and what is none, as they are written."""
    if not NUMBER.fullmatch(name):
        return name
    value = Decimal(name)
    return str(int(value)) if value == value.to_integral_value() else name
