"""Low-rank adapters (LoRA; Hu et al., ICLR 2022) for a pretrained Target, by the library peft."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn
from transformers.pytorch_utils import Conv1D

from afa_ray.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ALL_LINEAR = "all-linear"
CONFIG_FOLDER = "config"  # beside the adapters: transformers takes a bare config.json for a model


def add_adapters(
    model: PreTrainedModel, *, r: int, alpha: float, dropout: float, modules: str, new: list[str]
) -> Any:
    """The model as a `peft.PeftModel` that trains adapters, the head and `new` modules only.

    Args:
        modules: names of the layers to adapt, separated by commas, or `all-linear`.
        new: modules whose weights are not pretrained: adapters of theirs would be saved without
            them, so they are trained whole.

    Raises:
        UserError: see `require_layers`.
    """
    from peft import LoraConfig, TaskType, get_peft_model

    require_layers(model, modules)
    children = model.named_children()
    heads = [n for n, c in children if c is not model.base_model and list(c.parameters())]
    within = tuple(f"{head}." for head in heads)
    whole = heads + sorted(n for n in new if n not in heads and not n.startswith(within))
    config = LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=r,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=modules if modules == ALL_LINEAR else _names(modules),
        modules_to_save=whole,
    )
    with warnings.catch_warnings():  # peft asks transformers by an older name
        warnings.simplefilter("ignore", FutureWarning)
        adapted = get_peft_model(model, config)
    for parameter in adapted.parameters():
        if parameter.requires_grad:  # the head's copy, too: small steps vanish in bfloat16
            parameter.data = parameter.data.float()
    return adapted


def require_layers(model: PreTrainedModel, modules: str) -> None:
    """Raises UserError unless peft is installed and every named layer is there to be adapted."""
    if importlib.util.find_spec("peft") is None:
        raise UserError(
            'target.lora.r: adapters need the library peft: pip install "afa_ray[lora]"'
        )
    layers = model.base_model.named_modules()
    linear = [f".{name}" for name, layer in layers if isinstance(layer, (nn.Linear, Conv1D))]
    known = sorted({name.rpartition(".")[2] for name in linear})
    for name in _names(modules) if modules != ALL_LINEAR else ():
        if not any(layer.endswith(f".{name}") for layer in linear):
            raise UserError(
                f"target.lora.modules = {modules}: no layer is called {name!r}; there are "
                f"{', '.join(known)}; {ALL_LINEAR} takes them all"
            )
    if not linear:
        raise UserError(f"target.lora.r: {model.config.model_type} has no layer to adapt")


def _names(modules: str) -> list[str]:
    return [name.strip() for name in modules.split(",")]


def save_adapters(adapted: Any, folder: Path, *, merge: bool) -> None:
    """The adapters as peft saves them, or the whole model with the adapters merged in, for good."""
    if merge:
        adapted.merge_and_unload().save_pretrained(folder)
        return
    adapted.save_pretrained(folder)
    adapted.config.save_pretrained(folder / CONFIG_FOLDER)
