"""What a finished test of attention holds for: the model, the data, and how much was asked."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from afa_ray.config import DATA_FILES, Settings
from afa_ray.dotted import flatten
from afa_ray.errors import UserError, first_line
from afa_ray.hub import hub_is_away
from afa_ray.models.quiet import quiet
from afa_ray.records.fingerprints import file_fingerprints
from afa_ray.records.manifest import file_digest

PLACES = {"data.dir", *(f"data.{name}" for name in DATA_FILES)}  # where data are, not what
SHOWN = 16  # hexadecimal digits
DEFINITIONS = 2  # of the tests: what was found by others is found again
DECIDING = ("*.safetensors", "config.json", "adapter_config.json", "tokenizer*.json")
"""The files of a model that its figures depend on."""


def audit_key(model: str, settings: Settings, texts: int, seed: int) -> str:
    """One for each model, data and question.

    Args:
        model: see `model_digest`; settings: `data` and the seed. texts, seed: of the texts that
            are drawn.
    """
    asked = f"{texts} texts, seed {seed}, tests {DEFINITIONS}"
    return f"{model_digest(model)}, data {data_digest(settings)}, {asked}"


def model_digest(model: str) -> str:
    """Of the weights, classes and tokenizer in a model's folder; of an id on the hub its revision.

    Raises:
        UserError: there are none.
    """
    folder = Path(model)
    if not folder.is_dir():
        return _revision(model)
    if not any(folder.glob(DECIDING[0])):
        raise UserError(f"{model}: holds no weights (*.safetensors); give a model's folder")
    files = sorted(file for names in DECIDING for file in folder.glob(names))
    digests = "".join(f"{file.name} {file_digest(file)}\n" for file in files)
    return hashlib.sha256(digests.encode()).hexdigest()


def _revision(model: str) -> str:
    from transformers.utils.hub import cached_file

    hub_is_away()  # then what is on this machine is taken
    try:
        with quiet():
            config = cached_file(model, "config.json")
    except OSError as error:
        raise UserError(
            f"{model}: neither a folder nor a model that the hub gives ({first_line(error)})"
        ) from error
    assert config is not None
    return f"{model}@{Path(config).parent.name}"


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
