"""The campaign's short form: some cases of each part (`make campaign` runs thousands)."""

from pathlib import Path

import pytest

from tests.campaign import folders, inputs, processes, requests
from tests.campaign.rules import hold

pytestmark = pytest.mark.slow
CASES = {"settings": 100, "yaml": 100, "run folders": 40, "model folders": 10}
INPUTS = inputs.PARTS | folders.PARTS | requests.PARTS


@pytest.mark.parametrize("part", INPUTS)
def test_inputs(part: str) -> None:
    outcome = hold(part, 1, CASES.get(part, 25), *INPUTS[part])
    assert not outcome.broken, outcome.broken[0]
    assert outcome.done > 0


def test_damaged_checkpoints(tmp_path: Path) -> None:
    outcome = processes.damage(tmp_path, seed=1, every=5000, resumes=1)
    assert not outcome.broken, outcome.broken
    assert outcome.done > 40


def test_kills(tmp_path: Path) -> None:
    outcome = processes.kill(tmp_path, seed=1, times=1)
    assert not outcome.broken, outcome.broken
    assert outcome.done == 1
