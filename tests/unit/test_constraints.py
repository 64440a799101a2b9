"""The versions that a release was tried with."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

LINES = (Path(__file__).parents[2] / "constraints.txt").read_text().splitlines()
PINNED = [line for line in LINES if line.strip() and not line.startswith("#")]


@pytest.mark.parametrize("line", PINNED)
def test_one_version_and_the_one_that_is_tested(line: str) -> None:
    name, _, pinned = line.partition("==")
    assert re.fullmatch(r"[a-z0-9-]+", name), line
    assert re.fullmatch(r"\d+(\.\d+)+", pinned), line
    try:
        installed = version(name)
    except PackageNotFoundError:
        pytest.skip(f"{name} is not installed")
    assert installed.partition("+")[0] == pinned  # a build such as 2.13.0+cpu
