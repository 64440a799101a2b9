"""Questions whose answer is one of the entities that the text names: the candidates.

The manner of the CNN and Daily Mail questions (Hermann et al., 2015): entities are written
@entity0, @entity1, …, and so are the classes. A model reads them behind the question: after the
tokens of what a text is read for come its candidates, class c as the id V + c, where V is the size
of the vocabulary. They are those of the untouched text, whatever is deleted from it later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from afa_ray.errors import UserError

ENTITY = re.compile(r"@entity\d+\b", re.IGNORECASE)


def are_entities(label_names: Sequence[str]) -> bool:
    """Whether all classes are named as entities are."""
    return all(ENTITY.fullmatch(name) for name in label_names)


def candidates_of(text: str, label_names: Sequence[str]) -> list[int]:
    """The classes that the text names, each once, in order; empty where it names none."""
    numbers = {name.casefold(): number for number, name in enumerate(label_names)}
    named = {numbers.get(entity.casefold()) for entity in ENTITY.findall(text)}
    return sorted(number for number in named if number is not None)


def require_answers(part: str, texts: Iterable[str], labels: np.ndarray, names: list[str]) -> None:
    """UserError for texts that do not name their answer: no model could give it."""
    rows = [
        row
        for row, (text, label) in enumerate(zip(texts, labels.tolist(), strict=True), start=1)
        if label not in candidates_of(text, names)
    ]
    if rows:
        raise UserError(
            f"the classes are entities ({names[0]}, …), and each text's answer is one of those "
            f"that it names; of the {part} texts {len(rows):,} do not name theirs, the first in "
            f"place {rows[0]}: {names[labels[rows[0] - 1]]}. Remove such rows, or name the classes "
            "otherwise"
        )
