"""A model from a folder or the hub: weights as safetensors, no code of theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from afa_ray.classifier.classify import Classifier
from afa_ray.data.tokenizer import load_tokenizer
from afa_ray.errors import UserError, first_line
from afa_ray.hub import hub_is_away
from afa_ray.models.lora import CONFIG_FOLDER
from afa_ray.models.quiet import quiet

ADAPTERS = "adapter_config.json"
RUN_MODEL = "model"  # in the folder of a run


def load(model: str | Path, *, device: str | None = None) -> Classifier:
    """A sequence classifier, ready to predict and to explain.

    Args:
        model: the folder of a run, of a saved model of ours or of any sequence classifier of
            transformers (adapters of peft, too), or its id on the Hugging Face hub.
        device: as PyTorch names it; by default a GPU where there is one.

    Raises:
        UserError: there is no such model, it is no classifier of texts, it has no weights as
            safetensors, or no tokenizer that says where its pieces stand; or no such device.
    """
    name = _folder(str(model))
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    opened = _open(name)
    tokenizer = load_tokenizer_of(name)
    if opened.config.pad_token_id is None:
        opened.config.pad_token_id = tokenizer.pad_token_id
    try:
        opened = opened.eval().to(device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(
            f"device = {device}: cannot be used ({first_line(error)}); give cpu"
        ) from error
    return Classifier(opened, tokenizer, name=_short(str(model)))


def everywhere(model: str) -> str:
    """A model's folder by a path that other processes have, too; an id on the hub as it is."""
    folder = Path(model).expanduser()
    return str(folder.absolute()) if folder.is_dir() else model


def load_tokenizer_of(name: str) -> Any:
    """The tokenizer beside a model.

    Raises:
        UserError: see `data.tokenizer.load_tokenizer`.
    """
    try:
        return load_tokenizer(name)
    except UserError as error:
        raise UserError(str(error).removeprefix("target.name = ")) from error


def _folder(name: str) -> str:
    """The folder of a model, within that of a run; an id on the hub as it is.

    Raises:
        UserError: neither a folder with a model, nor a model on the hub.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        if folder.is_file():
            raise UserError(f"{name} is a file; give the folder of the model")
        return name
    if (folder / RUN_MODEL).is_dir() and not (folder / "config.json").exists():
        folder = folder / RUN_MODEL
    if not any((folder / file).exists() for file in ("config.json", ADAPTERS)):
        raise UserError(
            f"{name}: this folder holds no model (no config.json); give the folder of a run that "
            "is complete, or one that save_pretrained has written"
        )
    return str(folder)


def _open(name: str) -> Any:
    """The model as transformers opens it."""
    local = Path(name).is_dir()
    away = "" if local else hub_is_away()
    adapted = local and (Path(name) / ADAPTERS).exists()
    try:
        with quiet():
            given = str(Path(name) / CONFIG_FOLDER) if adapted else name
            config = AutoConfig.from_pretrained(given, trust_remote_code=False)
            _require_classifier(name, config)
            model, found = AutoModelForSequenceClassification.from_pretrained(
                name,
                config=config,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
                ignore_mismatched_sizes=adapted,
            )
    except UserError:
        raise
    except Exception as error:  # broken files raise anything
        raise UserError(_no_such_model(name, error, away)) from error
    if found["missing_keys"] and not adapted:
        raise UserError(
            f"{name}: has no trained weights for {', '.join(sorted(found['missing_keys'])[:3])}; "
            "it is not trained to classify: train it first (afa-ray train --target.name …)"
        )
    return model


def _require_classifier(name: str, config: Any) -> None:
    if type(config) not in AutoModelForSequenceClassification._model_mapping:
        raise UserError(
            f"{name}: transformers has no sequence classifier of type {config.model_type}; give a "
            "text classifier"
        )
    if config.num_labels < 2 or config.problem_type not in (None, "single_label_classification"):
        raise UserError(
            f"{name}: gives numbers or several labels at once "
            f"({config.problem_type or 'one output'}), not one of several classes; give a "
            "classifier with at least two classes"
        )


def _no_such_model(name: str, error: Exception, away: str) -> str:
    if Path(name).is_dir():
        if not list(Path(name).glob("*.safetensors")):
            return (
                f"{name}: no weights in the safetensors format in this folder; save the model "
                "again with save_pretrained of a current transformers"
            )
        return f"{name}: this folder holds no model that can be read: {first_line(error)}"
    if name.startswith(("/", ".", "~")):
        return f"{name}: no such folder; check the path"
    if away:
        return (
            f"{name}: no such folder, and the Hugging Face hub cannot be reached ({away}), nor has "
            "this machine a copy from it; check the path, or give the folder of a model that was "
            f"fetched elsewhere with hf download {name} --local-dir FOLDER"
        )
    return (
        f"{name}: no such folder, nor a model that the Hugging Face hub gives us; check the name, "
        "and whether the hub can be reached"
    )


def _short(name: str) -> str:
    """What a model is called: a run's name, a folder's last part, an id on the hub as it is."""
    path = Path(name).expanduser()
    if not path.is_dir():
        return name
    path = path.resolve()
    return path.parent.name if path.name == RUN_MODEL and path.parent.name else path.name
