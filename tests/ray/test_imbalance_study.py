"""`python -m tune.imbalance`: two draws, two methods, the tables, and nothing twice."""

import json
from pathlib import Path

import pytest

from tests.ray.small_study import stamps
from tune.imbalance import main

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("cluster", "fewer_texts")]


def test_a_small_study(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    given = {
        "data.name": "mock-1", "imbalance.methods": "plain,humal-al", "imbalance.sizes": "40",
        "imbalance.shares": "20", "imbalance.replicates": 2, "imbalance.test_texts": 10,
        "train.epochs": 2, "train.batch_size": 16, "train.average": 0,
        "target.hidden_size": 32, "target.word2vec": "false", "target.bag_of_words": "false",
        "evaluate.texts": 20, "mlflow.uri": "none", "run.storage": tmp_path, "run.name": "study",
    }  # fmt: skip
    arguments = [f"--{name}={value}" for name, value in given.items()]
    assert main(arguments) == 0
    folder = tmp_path / "study"
    table = (folder / "table.md").read_text(encoding="utf-8")
    assert table in capsys.readouterr().out
    assert "| 40 | 20% | " in table
    assert (folder / "curves.png").exists()
    assert (folder / "places.png").exists()
    figures = json.loads((folder / "figures.json").read_text())
    runs = json.loads((folder / "results.json").read_text())
    assert len(runs) == 4
    for method in ("plain", "humal-al"):
        own = [run["auc"] for run in runs if run["method"] == method]
        assert all(0 <= auc <= 1 for auc in own)
        assert figures[f"{method}/size40-share20_auc"] == pytest.approx(sum(own) / 2)
    result = json.loads(
        (folder / "runs/replicate0-size40-share20-humal-al/result.json").read_text()
    )
    assert (result["data"]["train"], result["data"]["test"]) == (40, 20)
    assert result["validation"]["epoch"] == result["training"]["epochs"]  # the last one
    before = {name: stamps(folder, name) for name in ("result.json", "imbalance.json")}
    assert main([*arguments, "--imbalance.methods=humal-al,plain"]) == 0
    assert "AUC less that of humal-al" in (folder / "table.md").read_text(encoding="utf-8")
    for name, of in before.items():
        assert len(of) == 4
        assert stamps(folder, name) == of
