"""The search space: `afa.k=1:8 afa.lambda_adv=0.05:2:log afa.policy=topk,plackett-luce`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from afa_ray.command_line import TRAIN, settings_from
from afa_ray.complaints import complaints
from afa_ray.config import Settings
from afa_ray.dotted import flatten, override

KNOWN_RANGES = {
    "afa.policy": "topk,plackett-luce",
    "discriminator.pairing": "original,contrast",
    "train.target_lr": "3e-5:1e-3:log",
    "train.discriminator_lr": "3e-5:1e-3:log",
}
NOT_VARIED = (  # what the runs are made on, and where
    "run.", "mlflow.", "train.seed", "train.num_workers", "train.use_gpu", "train.max_failures",
    "train.checkpoint_every", "train.log_every", "data.name", "data.dir", "data.train_file",
    "data.validation_file", "data.test_file", "data.text_column", "data.label_column",
    "data.query_column", "data.marks_column",
    "data.validation_share", "data.evaluate_on", "data.split_seed",
    "train.dry_run", "train.shard",
)  # fmt: skip
NOT_SEARCHED = (*NOT_VARIED, "train.deletion_weight", "train.epochs", "train.max_steps",
                "data.protocol", "data.lexicon_file")  # fmt: skip
MOST_CHECKED = 1000  # whole numbers of a range that are checked one by one


@dataclass(frozen=True)
class Range:
    """`low` to `high`, both included: whole numbers, uniform, or uniform in the logarithm."""

    low: float
    high: float
    whole: bool
    log: bool


@dataclass(frozen=True)
class Choices:
    """One of some values."""

    values: tuple[Any, ...]


Space = dict[str, Range | Choices]


def parse_space(text: str, base: Settings, faults: list[str]) -> Space:
    """Dotted setting name -> what it is drawn from; what cannot be searched goes to `faults`."""
    space: Space = {}
    for item in text.split():
        name, _, domain = item.partition("=")
        domain = domain or KNOWN_RANGES.get(name, "")
        if _cannot_vary(name, NOT_SEARCHED, faults, "search.space"):
            continue
        if name in space:
            faults.append(f"search.space: {name} is given twice")
        elif not domain:
            faults.append(f"search.space: {name} needs a range, for example {_examples()}")
        elif ":" in domain:
            _add_range(space, name, domain, base, faults)
        else:
            _add_choices(space, name, domain.split(","), base, faults)
    if not space and not faults:
        faults.append(f"search.space is empty: name a setting, for example {_examples()}")
    return space


def _add_range(space: Space, name: str, domain: str, base: Settings, faults: list[str]) -> None:
    low, high, *rest = domain.split(":")
    values = [_value(name, end, base, faults, "search.space") for end in (low, high)]
    if None in values:
        return
    log, numbers = rest == ["log"], all(type(v) in (int, float) for v in values)
    if not numbers or rest not in ([], ["log"]) or not values[0] < values[1]:
        faults.append(f"search.space: {name}={domain} is no range low:high or low:high:log")
    elif log and values[0] <= 0:
        faults.append(f"search.space: {name}={domain}: a log range must begin above 0")
    else:
        whole = all(isinstance(v, int) for v in values)
        inside = range(values[0] + 1, values[1])[:MOST_CHECKED] if whole else ()
        if None not in [_value(name, str(v), base, faults, "search.space") for v in inside]:
            space[name] = Range(values[0], values[1], whole, log)


def _add_choices(
    space: Space, name: str, given: list[str], base: Settings, faults: list[str]
) -> None:
    values = [_value(name, one, base, faults, "search.space") for one in given]
    if None not in values and len(set(values)) < len(values):
        faults.append(f"search.space: {name}={','.join(given)}: a value is given twice")
    elif None not in values:
        space[name] = Choices(tuple(values))


def parse_values(setting: str, text: str, base: Settings, faults: list[str]) -> list[Any]:
    """The values of one setting, with commas between."""
    if _cannot_vary(setting, NOT_VARIED, faults, "sensitivity.setting"):
        return []
    given = [part.strip() for part in text.split(",")]
    values = [_value(setting, one, base, faults, "sensitivity.values") for one in given]
    if None not in values and len(set(values)) < len(values):
        faults.append(f"sensitivity.values = {text}: a value is given twice")
    return values


def _cannot_vary(name: str, fixed: tuple[str, ...], faults: list[str], where: str) -> bool:
    known = [n for n in flatten(Settings()) if not n.startswith(fixed)]
    if name in known:
        return False
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"for example {_examples()}"
    faults.append(f"{where}: {name} is no setting that can be varied; {hint}")
    return True


def _value(name: str, text: str, base: Settings, faults: list[str], where: str) -> Any:
    """The text as a valid value of that setting; None, and a fault, where it is none."""
    own: list[str] = []
    value = flatten(settings_from([(name, text)], TRAIN, own))[name]
    if not own:
        before = complaints(base)
        own = [c for c in complaints(override(base, {name: value})) if c not in before]
    faults += [f"{where}: {fault}" for fault in own]
    return None if own else value


def _examples() -> str:
    return "afa.k=1:8, afa.lambda_adv=0.05:2:log or afa.policy=topk,plackett-luce"


def for_tune(space: Space) -> dict[str, Any]:
    """The space in Ray Tune's terms."""
    from ray import tune as ray_tune

    def domain(one: Range | Choices) -> Any:
        if isinstance(one, Choices):
            return ray_tune.choice(list(one.values))
        if one.whole:  # Tune leaves out the upper end
            draw = ray_tune.lograndint if one.log else ray_tune.randint
            return draw(int(one.low), int(one.high) + 1)
        return (ray_tune.loguniform if one.log else ray_tune.uniform)(one.low, one.high)

    return {name: domain(one) for name, one in space.items()}


def draw(space: Space, seed: list[int]) -> dict[str, Any]:
    """One random draw."""
    random = np.random.default_rng(seed)
    return {name: domain.sample(random_state=random) for name, domain in for_tune(space).items()}


def describe(values: Mapping[str, Any]) -> str:
    """Drawn values in few letters: `k 3  epsilon 0.112  lambda_adv 0.48`."""
    return "  ".join(
        f"{name.split('.')[-1]} {value:.3g}" if isinstance(value, float) else
        f"{name.split('.')[-1]} {value}"
        for name, value in values.items()
    )  # fmt: skip
