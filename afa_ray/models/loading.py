"""A pretrained Target from the hub or a folder: weights as safetensors, no code of theirs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PretrainedConfig,
)

from afa_ray.errors import UserError, first_line
from afa_ray.hub import hub_is_away
from afa_ray.models.encoded import EncodedConfig
from afa_ray.models.probing import UnreadableAttentionError
from afa_ray.models.quiet import quiet
from afa_ray.models.target import TargetConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from afa_ray.models.pretrained import PretrainedTarget


def read_config(name: str) -> PretrainedConfig:
    """The configuration of a model.

    Raises:
        UserError: there is no such model, or one that is no encoder and no decoder of texts.
    """
    away = "" if Path(name).is_dir() else hub_is_away()
    try:
        config = AutoConfig.from_pretrained(name, trust_remote_code=False)
    except Exception as error:  # broken files raise anything
        raise UserError(_no_such_model(name, error, away)) from error
    if isinstance(config, TargetConfig | EncodedConfig):
        raise UserError(
            f"target.name = {name}: this is a model of afa_ray, which trains from scratch; give "
            "transformer, lstm, cnn or average, or a pretrained model"
        )
    if type(config) not in AutoModelForSequenceClassification._model_mapping:
        raise UserError(
            f"target.name = {name}: transformers has no sequence classifier of type "
            f"{config.model_type}; use an encoder such as BERT or a decoder such as Llama"
        )
    if config.is_encoder_decoder:
        raise UserError(
            f"target.name = {name}: {config.model_type} has an encoder and a decoder; use a model "
            "with one of them"
        )
    if config.get_text_config() is not config:
        raise UserError(
            f"target.name = {name}: {config.model_type} reads more than texts; use a model that "
            "reads texts alone, such as a smaller one of its family"
        )
    return config


def skeleton(name: str) -> PreTrainedModel:
    """The classifier without its weights: its layers, and what it can do.

    Raises:
        UserError: see `read_config`; or a folder without weights as safetensors.
    """
    config = read_config(name)
    if Path(name).is_dir() and not list(Path(name).glob("*.safetensors")):
        raise UserError(
            f"target.name = {name}: no weights in the safetensors format in this folder; save the "
            "model again with save_pretrained of a current transformers"
        )
    try:
        with torch.device("meta"):
            return AutoModelForSequenceClassification.from_config(config)
    except Exception as error:  # sizes that do not fit each other raise anything
        raise UserError(_no_such_model(name, error)) from error


def longest_text(model: PreTrainedModel) -> int | None:
    """Most tokens that a model has positions for; None for no limit.

    Models like RoBERTa count positions from behind the padding token's number.
    """
    positions = getattr(model.config, "max_position_embeddings", None)
    if positions is None or positions <= 0:
        return None
    tables = [m for m in model.modules() if isinstance(m, nn.Embedding)]
    behind = [t.padding_idx for t in tables if t.num_embeddings == positions]
    return positions - max((1 + start for start in behind if start is not None), default=0)


class Loaded(NamedTuple):
    """A Target, the names of its modules whose weights are not pretrained, notes for the user."""

    target: PretrainedTarget
    new: list[str]
    notes: list[str]


def load_pretrained(
    name: str, *, label_names: list[str], pad_id: int, dtype: str = "float32"
) -> Loaded:
    """The model as a Target for these classes.

    A classification head for another number of classes is replaced; new weights are drawn from
    PyTorch's generator.

    Raises:
        UserError: the model cannot be read, or not be used.
    """
    from afa_ray.models.pretrained import PretrainedTarget

    config = read_config(name)
    notes = []
    if config.model_type == "modernbert" and config.classifier_pooling != "cls":
        config.classifier_pooling = "cls"
        notes.append("the classifier reads [CLS] instead of the mean over tokens")
    before = list((config.id2label or {}).values())
    config.problem_type = "single_label_classification"
    config.id2label = dict(enumerate(label_names))
    config.label2id = {label: i for i, label in enumerate(label_names)}
    config.pad_token_id = pad_id
    try:
        with quiet():
            model, loaded = AutoModelForSequenceClassification.from_pretrained(
                name,
                config=config,
                dtype=getattr(torch, dtype),
                attn_implementation="eager",
                use_safetensors=True,
                ignore_mismatched_sizes=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
            target = PretrainedTarget(model)
    except UnreadableAttentionError as error:
        raise UserError(f"target.name = {name}: {error}") from error
    except Exception as error:  # broken files raise anything
        raise UserError(_no_such_model(name, error)) from error
    new = _new_modules(loaded)
    own_names = not all(label.startswith("LABEL_") for label in before)
    if not new and own_names and before != label_names:
        notes.append(f"its head was for the classes {', '.join(before)}, in that order")
    if new:
        notes.append(f"new weights, not pretrained: {', '.join(new)}")
    if target.eager:
        notes.append(
            f"{config.model_type} does not go through transformers' attention interface: it runs "
            "in eager mode, with the attention weights of every layer in memory"
        )
    if target.softcap is not None:
        notes.append(
            f"{config.model_type} caps its attention scores at {target.softcap:g}, which PyTorch's "
            "SDPA cannot: it runs with the attention weights of every layer in memory"
        )
    return Loaded(target, new, notes)


def _new_modules(loaded: dict[str, Any]) -> list[str]:
    """The modules whose weights were not in the files, or had another shape there."""
    mismatched = [key[0] for key in loaded["mismatched_keys"]]
    return sorted({name.rpartition(".")[0] for name in (*loaded["missing_keys"], *mismatched)})


def _no_such_model(name: str, error: Exception, away: str = "") -> str:
    if Path(name).is_dir():
        reason = first_line(error)
        return f"target.name = {name}: this folder holds no model that can be read: {reason}"
    if away:
        return (
            f"target.name = {name}: neither transformer, lstm, cnn or average, nor a folder, and "
            f"the Hugging Face hub cannot be reached ({away}), nor has this machine a copy from "
            "it; connect it, or give the folder of a model that was fetched elsewhere with hf "
            f"download {name} --local-dir FOLDER"
        )
    return (
        f"target.name = {name}: neither transformer, lstm, cnn or average, nor a folder, nor a "
        "model that the Hugging Face hub gives us; check the name, and whether the hub can be "
        "reached"
    )
