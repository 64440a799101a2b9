"""Figures that are not finite stop a run, and nothing is written that JSON does not have."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from afa_ray import train as train_module
from afa_ray.config import Settings, TrainSettings
from afa_ray.data.corpus import Corpus
from afa_ray.dotted import override, to_yaml
from afa_ray.errors import DivergedError
from afa_ray.json_files import as_json
from afa_ray.records.tracking import Tracker
from afa_ray.training.divergence import require_finite


def strict(text: str) -> object:
    """What JSON proper says; NaN and Infinity are refused."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize(
    "values",
    [
        {"train.target_lr": 1e30},
        {"train.target_lr": 1e30, "train.max_steps": 1},  # found by validation
        {"train.target_lr": 1e30, "train.checkpoint_every": 2, "train.log_every": 1000},
        {"train.target_lr": 1e30, "discriminator.pairing": "contrast",
         "discriminator.judge": "target"},
        {"train.discriminator_lr": 1e38},
    ],
    ids=["target", "last update", "checkpoint", "own judge", "discriminator"],
)  # fmt: skip
def test_a_run_that_diverges_stops_with_status_one(
    values: dict,
    tiny_settings: Callable[..., Settings],
    on_small_corpus: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    own = {"run.storage": str(tmp_path), "run.name": "nan", "train.epochs": 3}
    (tmp_path / "settings.yaml").write_text(
        to_yaml(override(tiny_settings(), {**own, **values})), encoding="utf-8"
    )
    assert train_module.main(["--config", str(tmp_path / "settings.yaml")]) == 1
    output = capsys.readouterr()
    assert "training has diverged" in output.err
    player = "discriminator" if "train.discriminator_lr" in values else "target"
    assert f"a smaller train.{player}_lr" in output.err
    assert "Traceback" not in output.err
    assert "continue" not in output.err
    run = tmp_path / "nan"
    assert not (run / "result.json").exists()
    assert not (run / "model").exists()
    assert not list(run.glob("checkpoint_*"))
    metrics = run / "metrics.jsonl"
    for line in metrics.read_text().splitlines() if metrics.exists() else ():
        strict(line)


def test_the_message_names_the_figure_and_the_rate() -> None:
    train = TrainSettings(target_lr=0.5, discriminator_lr=0.2)
    require_finite({"train/loss": 1.0, "train/attention_entropy": math.nan}, 3, train)
    with pytest.raises(DivergedError, match=r"train/loss_cls is nan after 1,200 updates.*_lr than "
                       r"0\.5, say 0\.05 or train\.max_grad_norm 1$"):  # fmt: skip
        require_finite({"train/loss_cls": math.nan, "train/loss": math.nan}, 1200, train)
    with pytest.raises(DivergedError, match=r"train/loss_d is inf .*discriminator_lr than 0\.2"):
        require_finite({"train/loss_cls": math.nan, "train/loss_d": math.inf}, 1, train)


def test_json_has_no_nan(tmp_path: Path) -> None:
    content = {"a": [math.nan, 1.5, (math.inf,)], "b": {"c": -math.inf, "d": "NaN é"}}
    assert strict(as_json(content)) == {"a": [None, 1.5, [None]], "b": {"c": None, "d": "NaN é"}}
    tracker = Tracker(tmp_path, 0, None)
    tracker.log("train", 1, 1, {"train/reward_mean": math.nan, "train/loss": 0.5})
    record = strict((tmp_path / "metrics.jsonl").read_text())
    assert isinstance(record, dict)
    assert record["train/reward_mean"] is None
    assert record["train/loss"] == 0.5


def test_no_class_is_predicted_from_logits_that_are_not_finite(
    make_learner: Callable, tiny_settings: Callable[..., Settings], small_corpus: Corpus
) -> None:
    from afa_ray.evaluation.prediction import predict

    target = make_learner(tiny_settings()).target
    assert set(predict(target, small_corpus.test).tolist()) <= {0, 1}
    with torch.no_grad():
        for parameter in target.parameters():
            parameter.fill_(math.nan)
    assert set(predict(target, small_corpus.test).tolist()) == {-1}
