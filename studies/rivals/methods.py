"""The methods of the study by name, and the settings that all of them share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from afa_ray.complaints import complaints
from afa_ray.config import Settings
from afa_ray.dotted import override
from tune.methods import METHODS, Values, parse_methods

EXPLAINABLE = Path(__file__).parents[2] / "afa_ray" / "configs" / "explainable.yaml"
UPDATES = 500
EQUAL: Values = {  # budgets: as many updates of as many texts, and the weights at their end
    "train.max_steps": UPDATES,
    "train.epochs": UPDATES,
    "train.batch_size": 32,
    "train.patience": 0,
    "train.choose": "last",
    "train.refit": False,
    "train.num_workers": 0,
    "train.use_gpu": False,
    "data.max_length": 256,
    "data.split_seed": 0,
    "mlflow.uri": "none",
}
TWICE: Values = {"target.hops": 2}
OWN: dict[str, Values] = {  # parts of methods
    "das-shared": METHODS["das"] | {"supervision.das.queries": "shared"},
    "das-alone": METHODS["das"] | {"supervision.das.direct_effect": False},
    "sana-people": METHODS["sana"] | {"supervision.sana.seed": "rationale"},
}
WORDS = ("plain", "as-random", "as-tfidf", "sana", "das", "original", "contrast", "plain, twice",
         "explainable", "0.1 as-tfidf")  # fmt: skip
PEOPLE = ("plain", "as-random", "humal-al", "humal-an", "plain, twice", "humal-al, twice",
          "humal-ap, twice", "explainable", "explainable + humal-al", "0.2 humal-al, twice",
          "explainable + 0.2 humal-al")  # fmt: skip
MARKED = ("yelp_hat", "hatexplain")  # data sets with what people marked
DATA = ("ag_news", "imdb", "sst2", "sst2_sentences", *MARKED)


def methods_of(data: str) -> tuple[str, ...]:
    """Those that are compared on a data set."""
    return PEOPLE if data in MARKED else WORDS


def settings_of(data: str, method: str, seed: int, **more: Any) -> Settings:
    """All settings of a run.

    Args:
        more: further ones, with __ for the dot.

    Raises:
        UserError: they cannot be.
    """
    given = {"data.name": data, "data.dir": os.environ.get("AFA_DATA_DIR"), "train.seed": seed}
    own = {name.replace("__", "."): value for name, value in more.items()}
    settings = override(Settings(), {**EQUAL, **given, **values_of(method), **own})
    assert not complaints(settings), complaints(settings)
    return settings


def values_of(method: str) -> Values:
    """What a method changes of the settings.

    Args:
        method: of tune.methods, OWN, or explainable; with ", twice" for two readings, a weight of
            supervision in front of it, and " + " before supervision beside the preset.
    """
    name, _, twice = method.partition(", ")
    name, _, beside = name.partition(" + ")
    readings = TWICE if twice else {}
    if name != "explainable":
        return told(name) | readings
    preset = parse_methods(f"explainable={EXPLAINABLE},plain", Settings(), [])["explainable"]
    preset |= {"train.deletion_weight": 0.0}  # no epoch is chosen
    return told(beside) | preset if beside else preset


def told(method: str) -> Values:
    """What a method changes that may have a weight in front of it, as in `0.3 humal-al`."""
    *weight, name = method.split()
    return (METHODS | OWN)[name] | ({"supervision.weight": float(weight[0])} if weight else {})
