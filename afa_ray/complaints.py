"""What is wrong with settings: every value out of range, all at once, one sentence each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from afa_ray.config import (
    DATA_FILES,
    FROM_SCRATCH,
    SINGLE_LAYER,
    LoraSettings,
    MlflowSettings,
    Settings,
    TrainSettings,
)
from afa_ray.dotted import flatten, kinds_of
from afa_ray.errors import UserError
from afa_ray.names import name_fault, path_fault, text_fault
from afa_ray.redaction import login_fault
from afa_ray.values import fits, in_words

SCRATCH = f"{', '.join(FROM_SCRATCH[:-1])} or {FROM_SCRATCH[-1]}"
LARGEST = 2**31 - 1  # whole number that all libraries take
AT_LEAST = {
    "data.max_length": 3,
    "data.vocab_size": 6,
    "data.min_frequency": 1,
    "target.hidden_size": 1,
    "target.embedding_size": 1,
    "target.heads": 1,
    "target.hops": 1,
    "target.lora.r": 0,
    "discriminator.hidden_size": 1,
    "discriminator.heads": 1,
    "afa.k": 1,
    "afa.num_masks": 2,
    "supervision.sana.candidates": 0,
    "supervision.das.most_labels": 1,
    "train.epochs": 1,
    "train.max_steps": 0,
    "train.batch_size": 2,
    "train.accumulation_steps": 1,
    "train.warmup_steps": 0,
    "train.average": 0,
    "train.patience": 0,
    "train.max_failures": -1,
    "train.checkpoint_every": 0,
    "train.log_every": 1,
    "evaluate.texts": 0,
    "evaluate.explained": 0,
}
IN_RANGE: dict[str, tuple[Callable[[float], bool], str]] = {
    "train.seed": (lambda x: 0 <= x < 2**32, "between 0 and 4294967295"),
    "data.validation_share": (lambda x: 0 < x < 1, "above 0 and below 1"),
    "target.dropout": (lambda x: 0 <= x < 1, "at least 0 and below 1"),
    "target.lora.dropout": (lambda x: 0 <= x < 1, "at least 0 and below 1"),
    "target.lora.alpha": (lambda x: 0 < x < float("inf"), "a finite number above 0"),
    "train.max_grad_norm": (lambda x: 0 <= x < float("inf"), "a finite number, at least 0"),
    "afa.epsilon": (lambda x: 0 <= x <= 1, "between 0 and 1"),
    "afa.confidence": (lambda x: 0 <= x < 1, "at least 0 and below 1"),
    "afa.lambda_adv": (lambda x: 0 <= x < float("inf"), "a finite number, at least 0"),
    "target.embedding_std": (lambda x: 0 < x < float("inf"), "a finite number above 0"),
    "data.split_seed": (lambda x: 0 <= x < 2**32, "between 0 and 4294967295"),
    "supervision.weight": (lambda x: 0 <= x < float("inf"), "a finite number, at least 0"),
    "supervision.sana.gamma": (lambda x: 0 <= x <= 1, "between 0 and 1"),
    "supervision.humal.factor": (lambda x: 0 <= x < float("inf"), "a finite number, at least 0"),
    "supervision.evenness": (lambda x: 0 <= x <= 1, "between 0 and 1"),
    "supervision.share": (lambda x: 0 < x <= 1, "above 0 and at most 1"),
    "train.margin": (lambda x: 0 <= x < float("inf"), "a finite number, at least 0"),
    "train.deletion_weight": (lambda x: 0 <= x < float("inf"), "a finite number, at least 0"),
    "train.target_lr": (lambda x: 0 < x < float("inf"), "a finite number above 0"),
    "train.discriminator_lr": (lambda x: 0 < x < float("inf"), "a finite number above 0"),
}
PATHS = (
    "data.dir", *(f"data.{field}" for field in DATA_FILES), "target.name", "target.vectors",
    "evaluate.beside", "run.storage",
)  # fmt: skip
PRETRAINED_ONLY = {  # setting: the value that leaves it off
    "target.dtype": "float32",
    "target.lora.r": 0,
    "train.gradient_checkpointing": False,
    "train.shard": False,
}
REMOVED = {  # settings of version 0.1 that earned no place, and the value that left each off
    "target.sharpness": 1.0,
    "discriminator.masks": "policy",
    "discriminator.word2vec": False,
    "afa.normalize_advantage": False,
}


def complaints(settings: Settings) -> list[str]:
    """Every value that is out of range, one sentence each: name, value, what is allowed."""
    values = flatten(settings)
    found = [
        f"{name} = {values[name]}: must be at least {least}"
        for name, least in AT_LEAST.items()
        if values[name] is not None and values[name] < least
    ]
    found += [
        f"{name} = {values[name]}: must be {allowed}"
        for name, (holds, allowed) in IN_RANGE.items()
        if values[name] is not None and not holds(values[name])
    ]
    found += [
        f"{name} = {value}: must be at most {LARGEST}"
        for name, value in values.items()
        if type(value) is int and value > LARGEST and name not in IN_RANGE
    ]
    single_layer = ("target",) if settings.target.name == SINGLE_LAYER else ()
    for part in (*single_layer, "discriminator"):
        size, heads = values[f"{part}.hidden_size"], values[f"{part}.heads"]
        if heads >= 1 and size % heads:
            found.append(
                f"{part}.hidden_size = {size}: must be a multiple of {part}.heads = {heads}"
            )
    if settings.target.name == "cnn" and settings.target.hidden_size % 4:
        size = settings.target.hidden_size
        found.append(f"target.hidden_size = {size}: must be a multiple of 4 for target.name = cnn")
    found += _judge_complaints(settings)
    found += _supervision_complaints(settings)
    found += _worker_complaints(settings.train)
    found += _register_complaints(settings.mlflow)
    if settings.target.pretrained:
        found += _pretrained_complaints(settings)
    else:
        found += _from_scratch_complaints(values)
    return found + text_complaints(values)


def require_sound(settings: Settings) -> None:
    """Settings that were made in Python, which no command line has read.

    Raises:
        UserError: with a line for every value of another type, or else out of range.
    """
    kinds = kinds_of(type(settings))
    faults = [
        f"{name} = {value!r}: must be {in_words(kinds[name])}"
        for name, value in flatten(settings).items()
        if not fits(value, kinds[name])
    ]
    if faults := faults or complaints(settings):
        raise UserError("\n".join(faults))


def text_complaints(values: Mapping[str, Any]) -> list[str]:
    """Names, paths and other texts that cannot be what they are for, and passwords."""
    kinds = dict.fromkeys(("data.name", "run.name"), name_fault) | dict.fromkeys(PATHS, path_fault)
    texts = {name: value for name, value in values.items() if isinstance(value, str)}
    faults = [kinds.get(name, text_fault)(name, text) for name, text in texts.items()]
    faults += [login_fault(name, texts[name]) for name in ("mlflow.uri",) if name in texts]
    return [fault for fault in faults if fault]


def _judge_complaints(settings: Settings) -> list[str]:
    """What does not go together with a Target as the judge."""
    judge, found = settings.discriminator.judge, []
    if judge != "trained" and settings.discriminator.pairing == "original":
        found.append(
            f"discriminator.pairing = original: discriminator.judge = {judge} asks how far a copy "
            "still looks like its class; use contrast"
        )
    if judge in ("twin", "average") and settings.train.shard:
        found.append(
            f"train.shard: discriminator.judge = {judge} would keep a second Target whole on every "
            "worker; use target"
        )
    return found


def _supervision_complaints(settings: Settings) -> list[str]:
    """What a method of supervision asks of the Target."""
    method, target = settings.supervision.method, settings.target
    if method == "humal-ap" and target.name == SINGLE_LAYER and target.hops < 2:
        return [
            f"supervision.method = {method}: supervises the first of several readings, and "
            f"target.hops = {target.hops} has one, where it would be humal-al; use that, or "
            "target.hops 2"
        ]
    if (
        method == "das"
        and settings.supervision.das.queries == "label"
        and target.name != SINGLE_LAYER
    ):
        return [f"supervision.das.queries = label: is for target.name = {SINGLE_LAYER}; use shared"]
    return []


def _worker_complaints(train: TrainSettings) -> list[str]:
    given = f"train.num_workers = {train.num_workers}"
    if not re.fullmatch(r"\d{1,6}|[1-9]\d{0,5}:[1-9]\d{0,5}", str(train.num_workers)):
        return [f"{given}: must be a whole number of at least 0, or a range such as 1:4"]
    least, most = train.workers
    if least > most:
        return [f"{given}: the range must begin with the smaller number"]
    parts = max(1, most) * max(1, train.accumulation_steps)
    if train.batch_size is not None and train.batch_size < 2 * parts:
        return [
            f"train.batch_size = {train.batch_size}: must be at least twice train.num_workers "
            f"times train.accumulation_steps = {2 * parts}"
        ]
    if train.shard and train.average:
        return [f"train.average = {train.average}: cannot average weights that train.shard spreads"]
    if train.shard and least < 2:
        return [f"{given}: train.shard spreads the Target over workers: use at least 2"]
    return []


def _register_complaints(mlflow: MlflowSettings) -> list[str]:
    """What MLflow's registry takes as a name, and where there is none."""
    given = f"mlflow.register = {mlflow.register}"
    if mlflow.register is None:
        return []
    if mlflow.uri == "none":
        return [f"{given}: mlflow.uri = none switches MLflow off; give a server, or leave one out"]
    if not mlflow.register.strip() or {"/", ":"} & set(mlflow.register):
        return [f"{given}: must be a name without / and :"]
    return []


def _from_scratch_complaints(values: Mapping[str, Any]) -> list[str]:
    """What a Target that is trained from scratch has no use for."""
    return [
        f"{name} = {values[name]}: is for pretrained models; target.name is {values['target.name']}"
        for name, off in PRETRAINED_ONLY.items()
        if values[name] != off
    ]


def _pretrained_complaints(settings: Settings) -> list[str]:
    found, target = [], settings.target
    for name in ("lowercase", "strip_accents"):
        value = getattr(settings.data, name)
        if value is not None:
            found.append(
                f"data.{name} = {str(value).lower()}: is for target.name = {SCRATCH}; a "
                "pretrained model's tokenizer reads texts as it learnt to"
            )
    if target.vectors is not None:
        found.append(
            f"target.vectors = {target.vectors}: is for target.name = {SCRATCH}; a pretrained "
            "model has word vectors already"
        )
    if not target.lora.r and target.lora != LoraSettings():
        found.append("target.lora.r = 0: the other settings of target.lora need a rank above 0")
    return found


def removed(name: str, value: Any) -> str | None:
    """The complaint about a setting that is there no more; None where it is off."""
    if value == REMOVED[name]:
        return None
    return (
        f"{name} = {value}: this setting was removed, since it earned no place; leave it out, or "
        "use version 0.1 to repeat such a run"
    )
