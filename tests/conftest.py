"""Fixtures that several test files share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of the public data sets; the test is skipped where there is none."""
    given = os.environ.get("AFA_DATA_DIR")
    folder = Path(given) if given else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no public data sets: set AFA_DATA_DIR ({folder} does not exist)")
    return folder
