"""What a corpus must be for a Target to be trained on it; UserError says what is not so."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from transformers import PreTrainedTokenizerFast

from afa_ray.config import ENCODERS, Settings
from afa_ray.data.packed import PackedTexts
from afa_ray.data.texts import RawCorpus
from afa_ray.errors import UserError

READ_ALONE = ("sana", "pssa", "gaze")  # methods that have the Target read texts by themselves


def require_learnable(raw: RawCorpus, settings: Settings) -> None:
    """Two classes, enough texts for a step, and no split that is empty."""
    classes = [raw.label_names[label] for label in np.unique(raw.train.labels)]
    if len(classes) < 2:
        raise UserError(
            f"the training texts of {raw.name} have one class only ({', '.join(classes)}): "
            "a classifier needs at least two"
        )
    if len(raw.train) < 2 * max(1, settings.train.workers[1]) * settings.train.accumulation_steps:
        raise UserError(
            f"{raw.name} has {len(raw.train)} training texts: too few for train.num_workers = "
            f"{settings.train.num_workers} and train.accumulation_steps = "
            f"{settings.train.accumulation_steps}"
        )
    for part, texts in (("validation", raw.validation), ("test", raw.test)):
        if texts is not None and not len(texts):
            raise UserError(f"{raw.name} has no {part} texts: its {part} split is empty")


def require_queries_read(raw: RawCorpus, settings: Settings) -> None:
    """A Target, and supervision, that read what texts are read for, where there is such."""
    method = settings.supervision.method
    if raw.train.queries is not None and method in READ_ALONE:
        raise UserError(
            f"supervision.method = {method}: reads texts alone, and those of {raw.name} are read "
            "for something each; give another method"
        )
    if raw.train.queries is not None and settings.target.name not in ENCODERS:
        asked = f"data.query_column = {settings.data.query_column}"
        if settings.data.query_column is None:
            asked = f"data.name = {raw.name}: each text has a question"
        raise UserError(
            f"{asked}: target.name = {settings.target.name} reads texts alone; give "
            f"{', '.join(ENCODERS[:-1])} or {ENCODERS[-1]}"
        )


def require_padding_apart(
    splits: Iterable[PackedTexts], tokenizer: PreTrainedTokenizerFast
) -> None:
    """No padding within a text: it would be taken for the text's end."""
    count = sum(part.count(tokenizer.pad_token_id) for part in splits)
    if count:
        raise UserError(
            f"the padding token {tokenizer.pad_token} occurs {count:,} times in the texts: give "
            "the tokenizer another one that texts do not hold, or take it out of them"
        )
