"""The card holds the figures, no markup of the user's and no folder of the machine."""

import copy
from typing import Any

import pytest
import yaml

from afa_ray.config import Settings
from afa_ray.dotted import flatten
from afa_ray.records.model_card import model_card

RESULT: dict[str, Any] = {
    "data": {
        "name": "<script>alert(1)</script>",
        "labels": ["`code`", "[link](http://x)", "a|b"],
        "train": 1000, "validation": 100, "test": 10, "vocabulary": 7,
        "notes": ["one\n# two"],
    },
    "test": {"accuracy": 0.75},
    "deletion_curve": {
        "counts": [0, 1], "by_attention": [0.75, 0.5], "random": [0.75, 0.7],
    },
    "agreement": {"auroc": 0.9, "average_precision": 0.8, "texts": 5},
    "settings": flatten(Settings())
    | {"data.train_file": "/home/me/secret/mine.csv", "run.storage": "/home/me/runs",
       "data.label_column": "```\n# out"},
    "versions": {"afa_ray": "1.2.3"},
}  # fmt: skip


def test_user_text_is_escaped() -> None:
    card = model_card(RESULT)
    assert "<script>" not in card
    assert "[link](" not in card
    assert "a\\|b" in card
    assert "\n# two" not in card
    assert card.count("```") == 4


def test_folders_stay_at_home() -> None:
    card = model_card(RESULT)
    assert "mine.csv" in card
    assert "/home/me" not in card


def test_figures_and_settings() -> None:
    card = model_card(RESULT)
    assert "| accuracy | 0.7500 |" in card
    assert "by attention / at random | 0.5000 / 0.7000 |" in card
    assert "(5 texts) | 0.9000 |" in card
    settings = yaml.safe_load(card.split("```yaml")[1].split("```")[0])
    assert settings["afa.k"] == 3
    front = yaml.safe_load(card.split("---")[1])
    assert front["pipeline_tag"] == "text-classification"


@pytest.mark.parametrize(
    ("values", "method"),
    [
        ({"afa.lambda_adv": 0}, "plain training"),
        ({}, "adversarial feedback for attention, pairing contrast"),
        ({"discriminator.pairing": "original"}, "pairing original"),
        ({"discriminator.judge": "target"}, "judged by the target"),
    ],
)
def test_the_method_is_named(values: dict[str, Any], method: str) -> None:
    result = copy.deepcopy(RESULT)
    result["settings"] |= values
    assert method in model_card(result)
