"""What the tests of studies share: a small data set in a file, and options of runs of seconds."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from tests.conftest import small_texts


def write_texts(folder: Path, name: str = "texts", count: int = 240) -> Path:
    """Short texts with one opinion word each, in `NAME.csv`."""
    texts = small_texts(count, seed=5)
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows(zip(texts.texts, texts.labels, strict=True))
    return folder / f"{name}.csv"


def options(folder: Path, **more: Any) -> list[str]:
    """Arguments for any command; `afa__k=2` adds `--afa.k 2`."""
    given = {
        "data__name": "small",
        "data__train_file": write_texts(folder),
        "data__max_length": 32,
        "target__hidden_size": 32,
        "target__word2vec": "false",
        "target__bag_of_words": "false",  # which knows too much for one trial to beat another
        "discriminator__hidden_size": 32,
        "train__batch_size": 16,
        "train__target_lr": 1e-3,
        "train__discriminator_lr": 1e-3,
        "train__epochs": 3,
        "train__patience": 0,
        "run__storage": folder / "runs",
    } | more
    return [f"--{name.replace('__', '.')}={value}" for name, value in given.items()]


def result(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "result.json").read_text())


def stamps(folder: Path, name: str) -> dict[str, int]:
    """When each file of that name below the folder was last written."""
    return {str(file.parent): file.stat().st_mtime_ns for file in folder.rglob(name)}
