"""`python -m afa_ray.benchmark.gpu`, all of it: tried on the CPU, so that it works where there is a
GPU."""

import json
from pathlib import Path

import pytest

from afa_ray.benchmark.corpora import in_a_new_process
from afa_ray.benchmark.gpu.__main__ import CHECKS, main
from afa_ray.benchmark.gpu.checks import Row
from afa_ray.benchmark.gpu.options import LIMITS

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def test_the_whole_command_on_tiny_models(
    node: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", node)
    status = in_a_new_process(main, ["--benchmark.small", "true", "--benchmark.out", str(tmp_path)])
    figures = json.loads((tmp_path / "gpu.json").read_text())
    rows = [Row(**row) for row in figures["rows"]]
    failed = [(row.what, row.reason) for row in rows if row.passed is False]
    assert (status, failed) == (0, [])
    assert list(dict.fromkeys(row.part for row in rows)) == list(LIMITS)
    assert all(row.figures for row in rows)
    assert (tmp_path / "gpu.md").read_text().count("### ") == len(CHECKS)
