"""`python -m afa_ray.audit --workers N`: the workers of a cluster find what one process finds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from afa_ray import audit
from afa_ray.train import train
from tests.conftest import small_texts, with_values

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("cluster")]


def figures(run: Path) -> dict[str, Any]:
    (found,) = json.loads((run / "audit" / "audit.json").read_text()).values()
    return {name: test["figures"] for name, test in found["tests"].items()}


def test_two_workers_find_what_one_process_finds(
    tiny_settings: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = small_texts(80, 0)
    rows = [f"{text},{label}" for text, label in zip(texts.texts, texts.labels, strict=True)]
    (tmp_path / "a.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    settings = tiny_settings({
        "data.train_file": str(tmp_path / "a.csv"), "data.name": "a", "mlflow.uri": "none",
        "run.storage": str(tmp_path), "run.name": "one", "train.max_steps": 2,
        "train.num_workers": 0,
    })  # fmt: skip
    train(with_values(settings, **{"evaluate.texts": 4}))
    run = tmp_path / "one"
    words = [str(run), "--texts", "6", "--train-texts", "30", "--epochs", "1", "--seeds", "2"]
    words += ["--tests", "attefa,permutation", "--device", "cpu"]
    assert audit.main([*words, "--workers", "9"]) == 2
    assert "workers = 9: each needs a CPU" in capsys.readouterr().err
    assert audit.main([*words, "--workers", "2"]) == 0
    shared = figures(run)
    shutil.rmtree(run / "audit")
    assert audit.main(words) == 0
    alone = figures(run)
    assert list(shared) == list(alone) == ["attefa", "permutation"]
    for name in ("attefa", "stvd", "sjsd"):
        assert shared["attefa"][name] == pytest.approx(alone["attefa"][name], rel=1e-4)
    assert shared["permutation"]["moved"] == pytest.approx(alone["permutation"]["moved"], rel=1e-4)
