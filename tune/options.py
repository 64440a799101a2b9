"""The settings that the commands of this package add to those of `afa_ray.train`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

from afa_ray.complaints import complaints
from afa_ray.config import Settings


@dataclass(frozen=True, kw_only=True)
class Resources:
    """How the runs of a study share the cluster."""

    cpus_per_trial: int = 1
    """Processors, and threads, of each run."""
    gpus_per_trial: float = 0.0
    """GPUs of each run; a half lets two runs share one."""
    max_concurrent: int = 0
    """Most runs at a time; 0 for as many as fit."""


@dataclass(frozen=True, kw_only=True)
class SearchOptions(Resources):
    """What to search, and how."""

    space: str = "afa.k=1:8 afa.epsilon=0:0.5 afa.lambda_adv=0.05:2:log"
    """What to search: name=low:high (whole numbers, or uniform), name=low:high:log, or
    name=this,that, with blanks between."""
    also: str = ""
    """What to search besides, written likewise; afa.policy, discriminator.pairing, train.target_lr
    and train.discriminator_lr have ranges of their own and can be given by name alone."""
    samples: int = 24
    """Trials."""
    scheduler: Literal["asha", "fifo"] = "asha"
    """asha ends trials early that are behind the others; fifo lets all finish."""
    grace_epochs: int = 2
    """Epochs that asha lets every trial have."""
    algorithm: Literal["random", "optuna"] = "random"
    """random draws independently; optuna (TPE) learns from the trials so far."""
    metric: Literal["accuracy", "score"] = "accuracy"
    """What the best trial has most of, on validation: accuracy, or score, which is accuracy minus
    train.deletion_weight times the normalised area under the deletion curve."""
    final_seeds: int = 5
    """Seeds with which the best settings are trained in the end, and then read on test."""


@dataclass(frozen=True, kw_only=True)
class CompareOptions(Resources):
    """What to compare."""

    methods: str = "plain,original,contrast,random"
    """Names of methods, the baseline first: plain, original, contrast, random (masks at random),
    and those of supervision.method, alone; name=FILE.yaml is a method of your own, with the
    settings in the file."""
    seeds: int = 5
    """Runs of each method, with seeds train.seed, train.seed + 1, …"""


@dataclass(frozen=True, kw_only=True)
class SensitivityOptions(Resources):
    """Which setting to vary."""

    setting: str = "afa.k"
    """The setting's name."""
    values: str = "1,2,3,4,5"
    """Its values, with commas between."""
    seeds: int = 5
    """Runs at each value, with seeds train.seed, train.seed + 1, …"""


@dataclass(frozen=True, kw_only=True)
class ExpNetOptions(Resources):
    """Which tasks, and which explainers beside ExpNet."""

    tasks: str = "fair_rationales,hatexplain,yelp_hat"
    """Data sets whose test texts have marked words; each is left out once."""
    methods: str = (
        "random,attention,rollout,lrp,full_lrp,gae,transformer_attribution,cam,gradcam,attcat,"
        "gradient_norm,gradient_x_input,ig,leave_one_out,cp_lrp,attn_lrp"
    )
    """Explainers to compare with, with commas between; shap, lime and mgae cost more."""
    texts: int = 200
    """Most marked texts of a task, of those that the classifier gets right."""
    seeds: int = 3
    """Classifiers of each task, and ExpNets, with seeds train.seed, train.seed + 1, …"""


@dataclass(frozen=True, kw_only=True)
class ImbalanceOptions(Resources):
    """How few texts, how unevenly, and which methods learn from them."""

    methods: str = "plain,humal-al,humal-an"
    """Names of methods, the baseline first, as those of compare."""
    sizes: str = "250,500,1000,2000"
    """Numbers of training texts, with commas between."""
    shares: str = "1,5,10,20,50"
    """Percents of the training texts that are of the rarer class; one text at least."""
    replicates: int = 20
    """Draws of texts, in every other one of which the other class is the rarer; methods share them,
    with their test texts and initial weights, and sizes and shares are nested in them."""
    test_texts: int = 100
    """Test texts of each class, which are drawn first."""
    part: Literal["all", "yelp50", "yelp100", "yelp200"] = "all"
    """yelp_hat: the reviews of about that many words, by the parts that it was published in."""
    replacement: bool = False
    """Draw training texts with replacement, where a class has too few."""


@dataclass(frozen=True, kw_only=True)
class SearchSettings(Settings):
    """All settings of `python -m tune.search`."""

    search: SearchOptions = field(default_factory=SearchOptions)


@dataclass(frozen=True, kw_only=True)
class CompareSettings(Settings):
    """All settings of `python -m tune.compare`."""

    compare: CompareOptions = field(default_factory=CompareOptions)


@dataclass(frozen=True, kw_only=True)
class SensitivitySettings(Settings):
    """All settings of `python -m tune.sensitivity`."""

    sensitivity: SensitivityOptions = field(default_factory=SensitivityOptions)


@dataclass(frozen=True, kw_only=True)
class ExpNetSettings(Settings):
    """All settings of `python -m tune.expnet`."""

    expnet: ExpNetOptions = field(default_factory=ExpNetOptions)


@dataclass(frozen=True, kw_only=True)
class ImbalanceSettings(Settings):
    """All settings of `python -m tune.imbalance`."""

    imbalance: ImbalanceOptions = field(default_factory=ImbalanceOptions)


AT_LEAST = {
    "cpus_per_trial": 1,
    "max_concurrent": 0,
    "samples": 1,
    "grace_epochs": 1,
    "final_seeds": 1,
    "seeds": 1,
    "texts": 1,
    "replicates": 2,
    "test_texts": 1,
}


def study_complaints(settings: Settings, at_least: Mapping[str, int] = AT_LEAST) -> list[str]:
    """Every value out of range, among the settings of a run and those of the study."""
    command, options = options_of(settings)
    found = complaints(settings)
    found += [
        f"{command}.{name} = {value}: must be at least {least}"
        for name, least in at_least.items()
        if (value := getattr(options, name, least)) < least
    ]
    if settings.train.num_workers not in (0, 1):
        found.append(
            f"train.num_workers = {settings.train.num_workers}: each run of a study is one "
            f"process; leave it out and set {command}.cpus_per_trial or {command}.gpus_per_trial"
        )
    if settings.train.dry_run:
        found.append("train.dry_run: is for afa_ray.train; leave it out of a study")
    if settings.mlflow.register is not None:
        found.append("mlflow.register: is for afa_ray.train; leave it out of a study")
    gpus, use_gpu = options.gpus_per_trial, settings.train.use_gpu
    if not (0 <= gpus <= 1 or (1 < gpus < 1000 and gpus == int(gpus))):
        found.append(
            f"{command}.gpus_per_trial = {gpus}: must be 0 to 1, or a whole number of GPUs"
        )
    if use_gpu is not None and use_gpu != (gpus > 0):
        found.append(
            f"train.use_gpu = {str(use_gpu).lower()}: in a study {command}.gpus_per_trial = {gpus} "
            "decides; leave it out"
        )
    return found


def options_of(settings: Settings) -> tuple[str, Resources]:
    """The settings of the study's own command, with their name: `compare`, `search`, …"""
    groups = {field.name: getattr(settings, field.name) for field in fields(settings)}
    return next((name, group) for name, group in groups.items() if isinstance(group, Resources))
