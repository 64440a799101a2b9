"""The code of the how-to pages does what they say."""

from pathlib import Path
from typing import Any

import pytest

from afa_ray.data import generated

ROOT = Path(__file__).parents[2]


def run_page(name: str) -> dict[str, Any]:
    """The names that a page's first example leaves."""
    page = (ROOT / f"docs/how-to/{name}.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "example"}
    exec(page.split("```python\n")[1].split("```")[0], names)
    return names


def test_add_an_objective(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(generated, "REVIEW_SIZES", (1500, 100, 300))
    names = run_page("add-an-objective")
    assert names["result"]["agreement"]["auroc"] > 0.85
    (run,) = (tmp_path / "runs").glob("reviews-*")
    assert '"train/on_marks"' in (run / "metrics.jsonl").read_text(encoding="utf-8")
    plain = names["train"](names["override"](names["settings"], {"run.name": "plain"}))
    assert plain["agreement"]["auroc"] < 0.75
