"""What shapes the attention of a run, in a word and in a phrase, by its settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PLAIN = "plain"


def method_of(values: Mapping[str, Any]) -> str:
    """plain, random, or the pairing, and whether the Target is the judge.

    Args:
        values: settings by dotted name; a run of an older version may lack some.
    """
    if values["afa.lambda_adv"] == 0:
        return PLAIN
    judge = values.get("discriminator.judge", "trained")
    name = "random" if values.get("afa.epsilon") == 1 else values["discriminator.pairing"]
    return f"{name}, judged by the target" if judge == "target" else str(name)


def described(values: Mapping[str, Any]) -> str:
    """The same for people who do not know the settings."""
    method = method_of(values)
    if method == PLAIN:
        return "plain training"
    pairing, _, judged = method.partition(", ")
    feedback = "adversarial feedback for attention"
    return f"{feedback}, {judged}" if judged else f"{feedback}, pairing {pairing}"
