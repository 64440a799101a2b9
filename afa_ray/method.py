"""What shapes the attention of a run, in a word and in a phrase, by its settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PLAIN = "plain"
JUDGES = {"target": "the target", "twin": "a twin", "average": "its average"}


def method_of(values: Mapping[str, Any]) -> str:
    """plain, random, or the pairing, and the judge, if it is a Target; where attention is
    supervised, by which method, alone or behind a plus sign.

    Args:
        values: settings by dotted name; a run of an older version may lack some.
    """
    told, feedback = values.get("supervision.method", "none"), _feedback(values)
    if told == "none":
        return feedback
    return told if feedback == PLAIN else f"{feedback} + {told}"


def _feedback(values: Mapping[str, Any]) -> str:
    if values["afa.lambda_adv"] == 0:
        return PLAIN
    judge = values.get("discriminator.judge", "trained")
    name = "random" if values.get("afa.epsilon") == 1 else values["discriminator.pairing"]
    return f"{name}, judged by {JUDGES[judge]}" if judge in JUDGES else str(name)


def described(values: Mapping[str, Any]) -> str:
    """The same for people who do not know the settings."""
    told, method = values.get("supervision.method", "none"), _feedback(values)
    pairing, _, judged = method.partition(", ")
    feedback = f"adversarial feedback for attention, {judged or f'pairing {pairing}'}"
    if told == "none":
        return "plain training" if method == PLAIN else feedback
    supervised = f"attention supervised by {told} (a reconstruction)"
    return supervised if method == PLAIN else f"{feedback}, and {supervised}"
