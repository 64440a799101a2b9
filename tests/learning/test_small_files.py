"""Out of the box a small file is learned at least about as well as by a bag of words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from afa_ray.data.tickets import generate_tickets, write_tickets
from afa_ray.train import main

CONFIGS = Path(__file__).parents[2] / "afa_ray" / "configs"
METHODS = {
    "defaults": ["--train.max_steps", "300"],
    "explainable": ["--config", str(CONFIGS / "explainable.yaml"), "--train.max_steps", "300"],
    "plain": ["--afa.lambda_adv", "0"],
}


@pytest.mark.parametrize("method", METHODS)
def test_two_hundred_tickets(method: str, tmp_path: Path) -> None:
    write_tickets(tmp_path / "train.csv", 200, seed=0)
    write_tickets(tmp_path / "test.csv", 500, seed=1)
    train, test = generate_tickets(200, 0), generate_tickets(500, 1)
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10))
    words = model.fit(train.texts, train.labels).score(test.texts, test.labels)
    arguments = [
        "--data.name", "tickets", "--data.train_file", str(tmp_path / "train.csv"),
        "--data.test_file", str(tmp_path / "test.csv"), "--data.text_column", "message",
        "--data.label_column", "team", "--run.storage", str(tmp_path), "--run.name", "run",
        "--train.num_workers", "0", "--mlflow.uri", "none",
    ]  # fmt: skip
    assert main([*METHODS[method], *arguments]) == 0
    result = json.loads((tmp_path / "run" / "result.json").read_text(encoding="utf-8"))
    assert result["test"]["accuracy"] > words - 0.03
    assert result["settings"]["train.batch_size"] == 16
    assert "average: 100" in (tmp_path / "run" / "config.yaml").read_text(encoding="utf-8")
