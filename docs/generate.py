"""Writes the pages of `reference/` that the code knows best: settings and metrics.

`python -m docs.generate`, or `make docs`; a test says when they are not what the code says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from docstring_parser import parse_from_object

from afa_ray.complaints import AT_LEAST, IN_RANGE
from afa_ray.config import Settings
from afa_ray.metrics import METRICS
from tune import options

REFERENCE = Path(__file__).parent / "reference"
NOTE = "<!-- Written by `python -m docs.generate` from {}: change it there. -->\n\n"
GROUPS = {
    "train": "Training",
    "val": "Validation, each epoch",
    "test": "Test, once",
    "deletion": "Deletion curve",
    "faithfulness": "Faithfulness",
    "explained": "Beside costlier explanations",
    "agreement": "Agreement with marked words",
    "attention": "Evenness",
    "robustness": "Robustness",
    "baseline": "Bag of words",
    "time": "Time",
}
STUDIES = {
    "compare": options.CompareSettings,
    "sensitivity": options.SensitivitySettings,
    "search": options.SearchSettings,
    "imbalance": options.ImbalanceSettings,
}


def pages() -> dict[Path, str]:
    """File and content of every page that is written."""
    return {REFERENCE / "settings.md": settings_page(), REFERENCE / "metrics.md": metrics_page()}


def settings_page() -> str:
    """Every setting: a table for each group."""
    parts = [
        NOTE.format("afa_ray/config.py, afa_ray/supervision.py and tune/options.py"),
        "# Settings\n\n"
        "On the command line `--afa.k 2`, in a file for `--config` `afa: {k: 2}`. A file gives any "
        "part of them; of two files the later one counts, and the command line above both. "
        "`--print-config` prints all settings as such a file. What has no default is left out, "
        "null, or decided as its text says.\n\n",
        *(_group(name, value) for name, value in _groups(Settings())),
        "## Of studies\n\n"
        "`compare`, `sensitivity`, `search` and `imbalance` take all of these, and a group of "
        "their own.\n\n",
        *(_group(name, getattr(settings(), name), level=3) for name, settings in STUDIES.items()),
    ]
    return "".join(parts).rstrip() + "\n"


def metrics_page() -> str:
    """Every figure that a run writes: a table for each group of names."""
    parts = [
        NOTE.format("afa_ray/metrics.py"),
        "# Metrics\n\n"
        "One name everywhere: `metrics.jsonl`, console, Ray and MLflow. Figures of training are "
        "means over the texts of an interval (`train.log_every` updates) and over all workers; "
        "those of an epoch are of all validation texts; all others are written once, at the end. "
        "Beyond accuracy they are of at most `evaluate.texts` test texts. A study's figures have "
        "the method's name in front: `plain/test/accuracy`.\n\n",
    ]
    for group, title in GROUPS.items():
        rows = [
            f"| `{name}` | {unit} | {meaning} |\n"
            for name, (meaning, unit) in METRICS.items()
            if name.startswith(f"{group}/")
        ]
        parts += [f"## {title}\n\n| name | unit or range | meaning |\n|---|---|---|\n", *rows, "\n"]
    return "".join(parts).rstrip() + "\n"


def _groups(settings: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted name, group) of the settings and, behind it, of groups within."""
    for field in fields(settings):
        value = getattr(settings, field.name)
        if is_dataclass(value):
            yield prefix + field.name, value
            yield from _groups(value, f"{prefix}{field.name}.")


def _group(name: str, group: Any, level: int = 2) -> str:
    """The heading and table of a group of settings."""
    kinds, meanings = get_type_hints(type(group)), _meanings(type(group))
    rows = [
        f"| `{name}.{field.name}` | {_allowed(f'{name}.{field.name}', kinds[field.name])} "
        f"| {_default(getattr(group, field.name))} | {meanings[field.name]} |\n"
        for field in fields(group)
        if field.name in meanings
    ]
    head = f"{'#' * level} {name}\n\n{parse_from_object(type(group)).short_description}\n\n"
    return f"{head}| setting | takes | default | meaning |\n|---|---|---|---|\n{''.join(rows)}\n"


def _meanings(group: type) -> dict[str, str]:
    """What is written below each setting of a group, and of those it is made from, as a cell."""
    documented = (p for c in group.__mro__ if is_dataclass(c) for p in parse_from_object(c).params)
    return {p.arg_name: " ".join((p.description or "").split()) for p in documented}


def _allowed(name: str, kind: Any) -> str:
    """What a setting takes, in words."""
    if name in IN_RANGE:
        return IN_RANGE[name][1]
    kinds = [kind]
    if get_origin(kind) is not Literal:
        kinds = [k for k in get_args(kind) or (kind,) if k is not type(None)]
    if get_origin(kinds[0]) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kinds[0]))
    words = {bool: "true, false", int: "whole number", float: "number", str: "text"}
    least = f", at least {AT_LEAST[name]}" if name in AT_LEAST else ""
    return " or ".join(words[k] for k in kinds) + least


def _default(value: Any) -> str:
    """A default as YAML has it; nothing where there is none."""
    if value is None or value == "":
        return ""
    shown = f"{value:g}" if isinstance(value, float) else str(value)
    return f"`{shown.lower() if isinstance(value, bool) else shown}`"


if __name__ == "__main__":
    for page, content in pages().items():
        page.write_text(content, encoding="utf-8")
