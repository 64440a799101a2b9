"""What a result cannot be trusted for, said before training: notes on the splits of a corpus."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from transformers import PreTrainedTokenizerFast

from afa_ray.data.messages import listed
from afa_ray.data.packed import PackedTexts
from afa_ray.data.texts import Texts

UNKNOWN_SHARE = 0.1  # of the tokens of a split, above which it is said
CONTRADICTING_SHARE = 0.01  # of all texts
USE = {"validation": "the best epoch is chosen by", "test": "the model is judged by"}


def split_cautions(splits: Mapping[str, Texts], label_names: list[str]) -> list[str]:
    """What is wrong with the validation and test texts among `splits`, which have "train", too."""
    notes, seen = [], "training"
    known = _digests(splits["train"])
    for part, use in USE.items():
        if part in splits:
            notes += _lacking_classes(part, splits[part], label_names, use)
            digests = _digests(splits[part])
            if count := int(np.isin(digests, known).sum()):
                notes.append(
                    f"{count:,} of {len(digests):,} {part} texts ({count / len(digests):.1%}) are "
                    f"also {seen} texts: on these, accuracy shows what was learnt by heart"
                )
            known, seen = np.concatenate([known, digests]), f"{seen} or {part}"
    labels = [splits[part].labels for part in ("train", *USE) if part in splits]
    return [*notes, *_contradictions(known, np.concatenate(labels))]


def _contradictions(digests: np.ndarray, labels: np.ndarray) -> list[str]:
    """Of (N,) texts with their classes: those that stand there with another class, too."""
    pairs = np.unique(np.stack([digests, labels]), axis=1)  # each text once with each of its labels
    several, counts = np.unique(pairs[0], return_counts=True)
    share = float(np.isin(digests, several[counts > 1]).mean())
    if share < CONTRADICTING_SHARE:
        return []
    return [
        f"{share:.1%} of all texts stand there with another class, too: on these nobody can be "
        "right each time; look whether their labels are"
    ]


def token_cautions(
    splits: Mapping[str, PackedTexts], tokenizer: PreTrainedTokenizerFast, remedy: str
) -> list[str]:
    """What the tokenizer did not read: texts of which it makes no token, and unknown words, with
    what to do about them."""
    special = tokenizer.num_special_tokens_to_add()
    empty = {part: int((texts.lengths <= special).sum()) for part, texts in splits.items()}
    found = [f"{n:,} of {len(splits[part]):,} {part}" for part, n in empty.items() if n]
    notes = [f"texts of which the tokenizer makes no token: {', '.join(found)}"] if found else []
    unknown = {
        part: texts.count(tokenizer.unk_token_id) / max(1, len(texts.tokens) - special * len(texts))
        for part, texts in splits.items()
        if tokenizer.unk_token_id is not None
    }
    found = [f"{share:.0%} of {part}" for part, share in unknown.items() if share > UNKNOWN_SHARE]
    if found:
        notes.append(
            f"tokens that the vocabulary lacks, all read as one {tokenizer.unk_token}: "
            f"{', '.join(found)}; {remedy}"
        )
    return notes


def _lacking_classes(part: str, texts: Texts, names: list[str], use: str) -> list[str]:
    present = np.unique(texts.labels)
    lacking = [name for number, name in enumerate(names) if number not in present]
    if not lacking:
        return []
    if len(present) == 1:
        return [
            f"all {part} texts are of one class ({names[present[0]]}): the accuracy that {use} is "
            "that of a model that knows no other"
        ]
    return [
        f"no {part} text is of class {listed(lacking)}: what {use} does not say how well it is told"
    ]


def _digests(texts: Texts) -> np.ndarray:
    """(N,) int64, the same for texts that differ in spaces only, and are read for the same."""
    read = (" ".join(text.split()) for text in texts.texts)
    if texts.queries is None:
        return np.fromiter(map(hash, read), np.int64, len(texts))
    return np.fromiter(map(hash, zip(read, texts.queries, strict=True)), np.int64, len(texts))
