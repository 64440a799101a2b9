"""An explanation in the terminal: words with their weights, in colour where it can."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from afa_ray.errors import printable
from afa_ray.report.view import probability, view

FOR, AGAINST = "rgb(33,102,172)", "rgb(160,80,0)"  # behind white letters
COLOURED = 4  # from this level on a word has a colour; below it a terminal's own is clearer


def as_text(explained: Mapping[str, Any]) -> Text:
    """A text's prediction, and its words with their weights by every method."""
    seen = view(explained)
    lines = Text(overflow="fold")
    lines.append(f"{printable(seen['label'])} {seen['figure']}", "bold")
    others = [
        f"{printable(c['label'])} {c['figure']}"
        for c in seen["chances"]
        if c["label"] != seen["label"]
    ]
    lines.append(f"  ({', '.join(others)})\n" if others else "\n")
    if seen["query"]:
        lines.append(f"read for: {printable(seen['query'])}\n")
    if seen["target"] != seen["label"]:
        chance = probability(explained["probabilities"][seen["target"]])
        lines.append(f"explained: {printable(seen['target'])} {chance}\n")
    for row in seen["rows"]:
        lines.append(f"{row['name']}", "bold")
        if row["refused"]:
            lines.append(f"  no scores: {row['refused']}\n")
            continue
        lines.append(f"  {row['about']}\n  ", "dim")
        for cell in row["cells"]:
            lines.append(printable(cell["word"]), _style(cell["classes"]))
            lines.append(f" {cell['figure']}  ", "dim")
        lines.append("\n")
        if row["specials"]:
            special = ", ".join(f"{s['name']} {s['figure']}" for s in row["specials"])
            lines.append(f"  special tokens: {special}\n", "dim")
    if seen["cut"] is not None:
        lines.append(
            f"cut: the model reads the first {seen['cut']:,} of {len(explained['text']):,} "
            "characters\n",
            "bold",
        )
    return lines


def _style(classes: str) -> str:
    """The colour of a word by its level, as `view` names them: ` p7`, ` n n3`."""
    level = classes.replace(" m", "").split()[-1:] or ["p0"]
    sign, number = level[0][0], int(level[0][1:])
    if number < COLOURED:
        return "underline" if sign == "n" else ""
    return f"white on {FOR}" if sign == "p" else f"underline white on {AGAINST}"
