"""What a finished test of attention holds for: the model, the data, and how much was asked."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from afa_ray.config import DATA_FILES, Settings
from afa_ray.dotted import flatten
from afa_ray.records.fingerprints import file_fingerprints
from afa_ray.records.manifest import file_digest

PLACES = {"data.dir", *(f"data.{name}" for name in DATA_FILES)}  # where data are, not what
SHOWN = 16  # hexadecimal digits


def audit_key(weights: Path, settings: Settings, texts: int, seed: int) -> str:
    """One for each model, data and question.

    Args:
        weights: the model's file; settings: the run's. texts, seed: of the texts that are drawn.
    """
    asked = f"{texts} texts, seed {seed}"
    return f"{file_digest(weights)}, data {data_digest(settings)}, {asked}"


def data_digest(settings: Settings) -> str:
    """Of the content of a run's files, wherever they lie, and of what is made of it."""
    values = {
        name: value
        for name, value in flatten(settings).items()
        if name.startswith("data.") and name not in PLACES and value is not None
    }
    content = {
        "files": file_fingerprints(settings),
        "settings": values,
        "seed": settings.train.seed,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:SHOWN]
