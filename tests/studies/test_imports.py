"""Studies stand on everything else, and nothing stands on them."""

from pathlib import Path

import pytest

from tests.unit.test_imports import ROOT, files_of, imports_of, within


@pytest.mark.parametrize("module", ["envs", "afa_ray", "tune"])
def test_nothing_imports_studies(module: str) -> None:
    for path in files_of(module):
        wrong = {name for name in imports_of(path) if within(name, "studies")}
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


def test_studies_are_not_installed() -> None:
    settings = Path(ROOT, "pyproject.toml").read_text(encoding="utf-8")
    assert '"studies"' not in settings
    assert "pythonpath" not in settings
