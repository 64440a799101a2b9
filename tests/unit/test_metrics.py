"""The table of figures names what runs really write, and nothing else."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from afa_ray.config import Settings
from afa_ray.metrics import METRICS, flat_figures
from afa_ray.objectives.das import ClassKeywords, DirectEffect
from afa_ray.objectives.entropy import Entropy
from afa_ray.objectives.gaze import Gaze
from afa_ray.objectives.humal import AsTold
from afa_ray.objectives.pssa import Pssa
from afa_ray.objectives.sana import Sana
from afa_ray.objectives.supervised import Supervised
from afa_ray.train import train

ABOUT = {"kind", "step", "epoch", "at", "text"}  # of a record, no figures
OF_FEEDBACK = {"train/loss_adv", "train/reward_mean", "train/reward_spread"}
OF_A_DISCRIMINATOR = {"train/loss_d", "train/d_accuracy"}
RIVALS = (AsTold, ClassKeywords, DirectEffect, Entropy, Gaze, Pssa, Sana, Supervised)
OF_SUPERVISION = {f"train/{name}" for rival in RIVALS for name in rival.figures}
WITHOUT = METRICS.keys() - OF_SUPERVISION
TINIEST = {"train.max_steps": 8, "train.epochs": 1, "evaluate.explained": 4}


@pytest.fixture
def written(
    tiny_settings: Callable[..., Settings],
    on_small_corpus: None,
    tmp_path: Path,
) -> Callable[[dict[str, Any]], set[str]]:
    """Names of all figures in the files of a run with these settings."""

    def run(values: dict[str, Any]) -> set[str]:
        place = {"run.storage": str(tmp_path), "run.name": "run"}
        result = train(tiny_settings(TINIEST | place | values))
        lines = (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        names = {name for line in lines for name in json.loads(line)} - ABOUT
        return names | set(flat_figures(result))

    return run


def test_a_run_with_everything_writes_every_metric_and_no_other(written) -> None:
    assert written({"train.deletion_weight": 0.1}) == WITHOUT


def test_what_is_said_to_be_of_feedback_is_left_out_by_plain_training(written) -> None:
    missing = WITHOUT - written({"afa.lambda_adv": 0.0})
    assert missing == OF_FEEDBACK | OF_A_DISCRIMINATOR | {"val/normalized_area"}


def test_a_target_that_judges_itself_has_no_figures_of_a_discriminator(written) -> None:
    missing = WITHOUT - written(
        {"discriminator.judge": "target", "discriminator.pairing": "contrast"}
    )
    assert missing == OF_A_DISCRIMINATOR | {"val/normalized_area"}


def test_figures_of_supervision_are_metrics() -> None:
    assert METRICS.keys() >= OF_SUPERVISION


def test_every_metric_has_a_meaning_and_a_unit() -> None:
    for meaning, unit in METRICS.values():
        assert len(meaning) > 10
        assert unit
        assert "|" not in meaning  # it is a cell of a table
