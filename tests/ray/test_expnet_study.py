"""`python -m tune.expnet`: classifiers of two tasks, every method's figures, and nothing twice."""

import json
from pathlib import Path

import pytest

from afa_ray.explainers.expnet import ExpNet
from tests.ray.small_study import stamps
from tune.expnet import main

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("cluster", "fewer_texts")]


def test_a_small_study(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    given = {
        "expnet.tasks": "mock-1,mock-3", "expnet.methods": "random,attention,lrp",
        "expnet.texts": 20, "expnet.seeds": 1, "train.max_steps": 40, "train.batch_size": 16,
        "target.hidden_size": 32, "target.word2vec": "false", "target.bag_of_words": "false",
        "afa.lambda_adv": 0, "train.target_lr": 1e-3, "evaluate.texts": 20, "mlflow.uri": "none",
        "run.storage": tmp_path, "run.name": "study",
    }  # fmt: skip
    arguments = [f"--{name}={value}" for name, value in given.items()]
    assert main(arguments) == 0
    folder = tmp_path / "study"
    table = (folder / "table.md").read_text(encoding="utf-8")
    assert table in capsys.readouterr().out
    assert "## mock-1 (20 texts a seed)" in table
    figures = json.loads((folder / "figures.json").read_text())
    for task in ("mock-1", "mock-3"):
        for method in ("random", "attention", "expnet"):
            found = figures[f"{method}/{task}_auroc"]
            assert 0 <= found <= 1
            assert f"| {method} | {found:.3f}".replace("0.", ".") in table
        assert abs(figures[f"random/{task}_auroc"] - 0.5) < 0.2
        assert f"lrp/{task}_auroc" not in figures  # not defined for a single layer
        assert ExpNet.load(folder / f"expnet/without-{task}-seed0").config.features == 4
    before = stamps(folder, "marked_words.npz")
    assert main([*arguments, "--expnet.seeds=2"]) == 0
    after = stamps(folder, "marked_words.npz")
    assert len(after) == 2 * len(before)
    assert before.items() <= after.items()
    assert " ± " in (folder / "table.md").read_text(encoding="utf-8")
