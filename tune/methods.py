"""The methods that are compared, by name: each is some settings put over those of the study."""

from __future__ import annotations

import re
from typing import Any

from afa_ray.command_line import TRAIN, read_config, settings_from
from afa_ray.complaints import complaints
from afa_ray.config import Settings
from afa_ray.dotted import flatten, override
from afa_ray.records.run_folder import absolute_target
from afa_ray.supervision import METHODS as SUPERVISED

METHOD_NAME = re.compile(r"[\w-][\w.-]{0,60}", re.ASCII)  # for folders, tables and MLflow
AFA: dict[str, dict[str, Any]] = {
    "plain": {"afa.lambda_adv": 0.0, "supervision.method": "none"},
    "original": {"discriminator.pairing": "original"},
    "contrast": {"discriminator.pairing": "contrast"},
    "random": {"afa.epsilon": 1.0},  # the same training, but attention does not choose the masks
}
METHODS: dict[str, dict[str, Any]] = AFA | {
    name: {"afa.lambda_adv": 0.0, "supervision.method": name}
    for name in SUPERVISED
    if name != "none"
}


Values = dict[str, Any]


def parse_methods(
    text: str, base: Settings, faults: list[str], setting: str = "compare.methods"
) -> dict[str, Values]:
    """What each method of `name,name,name=FILE.yaml` changes; what cannot be goes to `faults`.

    Args:
        setting: the name of the setting that the text is of.
    """
    methods: dict[str, Values] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, is_own, file = item.partition("=")
        if name in methods or not METHOD_NAME.fullmatch(name):
            wrong = "is given twice" if name in methods else "must be of letters, digits, . _ and -"
            faults.append(f"{setting}: {name} {wrong}")
        elif is_own:
            methods[name] = _from_file(file, base, faults)
        elif name in METHODS:
            methods[name] = METHODS[name]
        else:
            faults.append(
                f"{setting}: there is no method {name!r}; give some of {', '.join(METHODS)}, "
                f"or {name}=FILE.yaml for one of your own"
            )
    for name, values in methods.items():
        faults += [f"method {name}: {fault}" for fault in _complaints(values, base)]
        needs_feedback = values == METHODS.get(name) and "afa.lambda_adv" not in values
        if needs_feedback and base.afa.lambda_adv == 0:
            faults.append(f"afa.lambda_adv = 0: method {name} needs a weight above 0")
    if len(methods) < 2 and not faults:
        faults.append(f"{setting} = {text}: a comparison needs two methods at least")
    return methods


def _complaints(values: Values, base: Settings) -> list[str]:
    """What is wrong with a method, and not with the settings of the study already."""
    return [c for c in complaints(override(base, values)) if c not in complaints(base)]


def _from_file(file: str, base: Settings, faults: list[str]) -> Values:
    """The settings in a file that are the method's: not those of what and where it runs."""
    kept = ("data.", "run.", "mlflow.", "train.seed", "train.num_workers")
    pairs = [(n, v) for n, v in read_config(file, faults) if not n.startswith(kept)]
    settings = settings_from(pairs, TRAIN, faults)
    values = {name: flatten(settings)[name] for name, _ in pairs if name in flatten(settings)}
    if "target.name" in values:
        values["target.name"] = absolute_target(values["target.name"])
    return values
