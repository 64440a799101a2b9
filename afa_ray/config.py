"""Every setting of a training run: typed, explained, and checked all at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeVar

import yaml


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """What to train on."""

    name: str = "reviews"
    """Data set: reviews, mock-1 … mock-10, mock-1q … mock-4q, ag_news, imdb, sst2, sst2_sentences,
    sms_spam, http_params, yelp_hat, hatexplain; with train_file, any name."""
    dir: str | None = None
    """Folder with one sub-folder of Parquet files a set; by default AFA_DATA_DIR, then the hub."""
    train_file: str | None = None
    """Your own training texts: .csv, .tsv, .jsonl or .parquet."""
    test_file: str | None = None
    """Your own test texts; without it 20% of train_file are held out."""
    text_column: str = "text"
    """Column of the texts in your own files."""
    label_column: str = "label"
    """Column of the labels in your own files: whole numbers or strings."""
    lexicon_file: str | None = None
    """Words (text, label 0 or 1) for the generated sets instead of the built-in lists."""
    max_length: int = 512
    """Longest sequence in tokens, [SOS] and [EOS] included; longer texts are cut and counted."""
    vocab_size: int = 20_000
    """Most words in the vocabulary; words that occur once are unknown words."""
    protocol: str | None = None
    """Split of sst2: random (10% of the training phrases, the default) or official."""
    split_seed: int | None = None
    """Fixes the splits that are drawn at random, and generated sets; by default train.seed."""


@dataclass(frozen=True, kw_only=True)
class TargetSettings:
    """The classifier whose attention is shaped."""

    name: str = "transformer"
    """transformer: one Transformer block."""
    hidden_size: int = 512
    """Width d; a multiple of heads."""
    heads: int = 4
    """Attention heads."""
    dropout: float = 0.3
    """Dropout, also the Discriminator's."""
    word2vec: bool = True
    """Initialise word embeddings with word2vec vectors of the training texts."""


@dataclass(frozen=True, kw_only=True)
class DiscriminatorSettings:
    """The judge of whether a sequence is untouched."""

    hidden_size: int = 512
    """Width d; a multiple of heads."""
    heads: int = 4
    """Attention heads."""
    readout: Literal["last", "mean"] = "last"
    """last reads the last token (fast); mean averages a full layer (sees word order, slow)."""
    pairing: Literal["original", "contrast"] = "original"
    """original: a sequence against its own masked copy (the paper); contrast: given the class of
    the masked copy, against untouched sequences of other classes."""


@dataclass(frozen=True, kw_only=True)
class AfaSettings:
    """The adversarial feedback."""

    k: int = 3
    """Tokens masked in a sequence."""
    epsilon: float = 0.2
    """Probability of masking k tokens at random instead of by attention."""
    lambda_adv: float = 0.5
    """Weight of the adversarial loss; 0 is plain training, without a Discriminator."""
    num_masks: int = 4
    """Masks sampled for each sequence; their mean reward is the baseline."""
    mask: Literal["delete", "token"] = "delete"
    """delete removes the tokens; token replaces them by [MASK], which is easily told apart."""
    policy: Literal["topk", "plackett-luce"] = "topk"
    """topk is the paper's; plackett-luce samples by attention and is an exact policy gradient."""
    normalize_advantage: bool = False
    """Divide advantages by their standard deviation over the masks of a sequence."""


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """How long, how fast and on what."""

    epochs: int = 20
    """Most passes over the training texts."""
    max_steps: int = 0
    """Most updates; 0 for no limit."""
    batch_size: int = 64
    """Texts in an update, over all workers together."""
    target_lr: float = 1e-4
    """Adam's learning rate for the Target."""
    discriminator_lr: float = 1e-4
    """Adam's learning rate for the Discriminator."""
    patience: int = 2
    """Epochs without a better validation score before training stops; 0 never stops."""
    deletion_weight: float = 0.0
    """The best epoch has the highest validation accuracy minus this weight times the normalised
    area under the deletion curve (by attention, divided by that of random tokens)."""
    seed: int = 0
    """Fixes data order, initial weights, dropout and masks."""
    deterministic: bool = False
    """Deterministic kernels on a GPU too (slower); a CPU run always is."""
    num_workers: int | str = 1
    """Ray Train workers; 0 trains in this process without Ray; 1:4 takes what the cluster has."""
    use_gpu: bool | None = None
    """true, false, or by default a GPU where there is one."""
    max_failures: int = 0
    """Restarts from the last checkpoint after a worker is lost; -1 for any number."""
    checkpoint_every: int = 0
    """Updates between checkpoints within an epoch; 0 saves at the end of each epoch only."""
    log_every: int = 50
    """Updates between progress lines."""

    @property
    def workers(self) -> tuple[int, int]:
        """Fewest and most workers."""
        least, _, most = str(self.num_workers).partition(":")
        return int(least), int(most or least)


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Where results go."""

    storage: str = "runs"
    """Folder of all runs; on a cluster one that every node sees."""
    name: str | None = None
    """Folder of this run, by default named after data and time; the same name continues a run."""


@dataclass(frozen=True, kw_only=True)
class MlflowSettings:
    """Tracking."""

    uri: str | None = None
    """Tracking server or database, by default sqlite in run.storage; none switches MLflow off."""
    experiment: str = "afa_ray"
    """Experiment that the run is filed under."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of `python -m afa_ray.train`."""

    data: DataSettings = field(default_factory=DataSettings)
    target: TargetSettings = field(default_factory=TargetSettings)
    discriminator: DiscriminatorSettings = field(default_factory=DiscriminatorSettings)
    afa: AfaSettings = field(default_factory=AfaSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    run: RunSettings = field(default_factory=RunSettings)
    mlflow: MlflowSettings = field(default_factory=MlflowSettings)


S = TypeVar("S", bound=Settings)


def flatten(settings: Settings) -> dict[str, Any]:
    """`{"afa.k": 3, …}`, in the order of the classes above."""
    return {
        f"{group}.{name}": value
        for group, values in asdict(settings).items()
        for name, value in values.items()
    }


def override(settings: S, values: Mapping[str, Any]) -> S:
    """Settings with the values of dotted names replaced: `override(settings, {"afa.k": 2})`."""
    groups: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        group, field = name.split(".")
        groups.setdefault(group, {})[field] = value
    changed = {g: replace(getattr(settings, g), **fields) for g, fields in groups.items()}
    return replace(settings, **changed)


def to_yaml(settings: Settings) -> str:
    """Settings as YAML that `--config` takes."""
    nested: dict[str, dict[str, Any]] = {}
    for name, value in flatten(settings).items():
        group, field = name.split(".")
        nested.setdefault(group, {})[field] = value
    return yaml.safe_dump(nested, sort_keys=False, allow_unicode=True)


LONGEST_NAME = 100
FOLDER_NAME = re.compile(rf"(?!\.)[^/\\\x00-\x1f\x7f]{{1,{LONGEST_NAME}}}")

_AT_LEAST = {
    "data.max_length": 3,
    "data.vocab_size": 6,
    "target.hidden_size": 1,
    "target.heads": 1,
    "discriminator.hidden_size": 1,
    "discriminator.heads": 1,
    "afa.k": 1,
    "afa.num_masks": 2,
    "train.epochs": 1,
    "train.max_steps": 0,
    "train.batch_size": 2,
    "train.patience": 0,
    "train.max_failures": -1,
    "train.checkpoint_every": 0,
    "train.log_every": 1,
}
_IN_RANGE: dict[str, tuple[Callable[[float], bool], str]] = {
    "train.seed": (lambda x: 0 <= x < 2**32, "between 0 and 4294967295"),
    "target.dropout": (lambda x: 0 <= x < 1, "at least 0 and below 1"),
    "afa.epsilon": (lambda x: 0 <= x <= 1, "between 0 and 1"),
    "afa.lambda_adv": (lambda x: 0 <= x < float("inf"), "a finite number, at least 0"),
    "train.deletion_weight": (lambda x: 0 <= x < float("inf"), "a finite number, at least 0"),
    "train.target_lr": (lambda x: 0 < x < float("inf"), "a finite number above 0"),
    "train.discriminator_lr": (lambda x: 0 < x < float("inf"), "a finite number above 0"),
}


def complaints(settings: Settings) -> list[str]:
    """Every value that is out of range, one sentence each: name, value, what is allowed."""
    values = flatten(settings)
    found = [
        f"{name} = {values[name]}: must be at least {least}"
        for name, least in _AT_LEAST.items()
        if values[name] < least
    ]
    found += [
        f"{name} = {values[name]}: must be {allowed}"
        for name, (holds, allowed) in _IN_RANGE.items()
        if not holds(values[name])
    ]
    for part in ("target", "discriminator"):
        size, heads = values[f"{part}.hidden_size"], values[f"{part}.heads"]
        if heads >= 1 and size % heads:
            found.append(
                f"{part}.hidden_size = {size}: must be a multiple of {part}.heads = {heads}"
            )
    if settings.data.split_seed is not None and not 0 <= settings.data.split_seed < 2**32:
        found.append(
            f"data.split_seed = {settings.data.split_seed}: must be between 0 and 4294967295"
        )
    found += _worker_complaints(settings.train)
    if settings.target.name != "transformer":
        found.append(f"target.name = {settings.target.name}: the only Target so far is transformer")
    for setting, name in (("data.name", settings.data.name), ("run.name", settings.run.name)):
        if name is not None and not FOLDER_NAME.fullmatch(name):
            found.append(
                f"{setting} = {name!r}: must be a folder name: at most {LONGEST_NAME} characters, "
                "no slash, no control character, no dot in front"
            )
    return found


def _worker_complaints(train: TrainSettings) -> list[str]:
    given = f"train.num_workers = {train.num_workers}"
    if not re.fullmatch(r"\d{1,6}|[1-9]\d{0,5}:[1-9]\d{0,5}", str(train.num_workers)):
        return [f"{given}: must be a whole number of at least 0, or a range such as 1:4"]
    least, most = train.workers
    if least > most:
        return [f"{given}: the range must begin with the smaller number"]
    if train.batch_size < 2 * most:
        return [f"train.batch_size = {train.batch_size}: must be at least twice {given}"]
    return []
