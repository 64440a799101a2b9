"""What may come of anything: a result, or a sentence for a person; never anything else."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis.strategies import SearchStrategy

from afa_ray.errors import UserError

SHOWN = 2000  # characters of a case that broke something


@dataclass
class Outcome:
    """What some cases of a part came to: `done` of them are as they may be, `broken` says which is
    not, and how. `figures` are what was measured."""

    part: str
    seed: int
    done: int = 0
    refused: int = 0
    broken: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def refused(work: Callable[[], object]) -> bool:
    """Whether the work is refused in a sentence; anything else that it raises goes on."""
    try:
        work()
        return False
    except UserError as error:
        message = str(error)
        assert message.strip(), "refused without a word"
        assert "Traceback" not in message
        assert len(message) < 20_000, f"a message of {len(message):,} characters"
        return True


def hold(
    part: str, seed: int, cases: int, strategy: SearchStrategy, check: Callable[[Any], bool]
) -> Outcome:
    """Hold some cases, drawn by the seed, to the rule.

    Args:
        check: whether a case was refused; raises where the rule is broken.
    """
    outcome = Outcome(part, seed)

    def one(case: Any) -> None:
        outcome.refused += check(case)
        outcome.done += 1

    drawn = hypothesis.given(strategy)(one)
    drawn = hypothesis.settings(
        max_examples=cases,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )(hypothesis.seed(seed)(drawn))
    try:
        drawn()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a library's panic, too
        outcome.broken.append("".join(traceback.format_exception(error))[-SHOWN:])
    return outcome
