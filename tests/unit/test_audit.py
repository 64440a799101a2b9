"""`python -m afa_ray.audit`: tests of attention over a run's texts, as a page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from afa_ray import audit
from afa_ray.evaluation.audit import TESTS, interval
from afa_ray.report.audit import audit_html, histogram, markdown, verdict
from afa_ray.train import train
from tests.conftest import with_values

STEPS = 5


@pytest.fixture
def run(tiny_settings: Any, tmp_path: Path) -> Path:
    settings = tiny_settings({"run.storage": str(tmp_path), "run.name": "<b>run",
                              "train.max_steps": 2, "mlflow.uri": "none"})  # fmt: skip
    train(with_values(settings, **{"evaluate.texts": 4}))
    return tmp_path / "<b>run"


@pytest.fixture(autouse=True)
def short_search(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = audit_rows()
    monkeypatch.setattr("afa_ray.evaluation.audit.adversarial_rows", rows)


def audit_rows() -> Any:
    from afa_ray.evaluation.adversarial_attention import adversarial_rows

    return lambda *given, **options: adversarial_rows(*given, **options, steps=STEPS)


def test_intervals_by_hand() -> None:
    assert interval(np.array([0.0, 1.0, 0.0, 1.0])) == {
        "mean": 0.5, "half_width": pytest.approx(1.96 * np.sqrt(1 / 3) / 2), "texts": 4
    }  # fmt: skip
    assert interval(np.array([]))["texts"] == 0


def test_an_audit_is_written_and_gone_on_with(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [str(run), "--texts", "6", "--tests", "permutation,correlation"]
    assert audit.main(words) == 0
    (found,) = json.loads((run / "audit" / "audit.json").read_text()).values()
    assert set(found["tests"]) == {"permutation", "correlation"}
    figures = found["tests"]["correlation"]["figures"]["pairs"]
    assert set(figures) == {
        "attention and gradient", "attention and deletion", "gradient and deletion"
    }  # fmt: skip
    assert found["tests"]["permutation"]["figures"]["moved"]["texts"] == found["texts"] == 6
    page = (run / "audit" / "report.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;run" in page
    assert "<b>run" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "Shuffling attention" in capsys.readouterr().out

    again = TESTS["permutation"]._replace(run=lambda *_: pytest.fail("it was done already"))
    monkeypatch.setitem(TESTS, "permutation", again)
    assert audit.main([*words[:-1], "permutation,adversarial"]) == 0
    (found,) = json.loads((run / "audit" / "audit.json").read_text()).values()
    assert list(found["tests"]) == ["permutation", "correlation", "adversarial"]
    counts = found["tests"]["adversarial"]["figures"]["histogram"]
    assert (len(counts), sum(counts)) == (40, 6)
    assert all(each in markdown([found]) for each in verdict(found))
    assert audit_html([found]).count("<svg") == 1


def test_bars_fill_their_drawing() -> None:
    bars = histogram([0, 2, 1, 0])
    assert [bar["high"] for bar in bars] == [0, 120, 60, 0]
    assert [bar["y"] for bar in bars] == [120, 0, 60, 120]


def test_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*words: str) -> str:
        assert audit.main(words) == 2
        return capsys.readouterr().err

    assert "is not the folder of a complete run" in said(str(tmp_path))
    assert "tests = tau: there is no such test" in said(str(tmp_path), "--tests", "tau")
    assert "texts = -1: must be at least 0" in said(str(tmp_path), "--texts", "-1")
    assert "did you mean --texts?" in said(str(tmp_path), "--text", "3")
    assert not list(tmp_path.iterdir())
