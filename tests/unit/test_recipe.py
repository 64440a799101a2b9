"""What is left to the number of texts."""

from pathlib import Path

import pytest

from afa_ray.command_line import parse
from afa_ray.config import Settings
from afa_ray.dotted import flatten, override
from afa_ray.errors import UserError
from afa_ray.recipe import CHOSEN, chosen, describe
from afa_ray.records.run_folder import begin, require_same_settings
from afa_ray.training.making import total_steps

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "afa_ray" / "configs"
STUDY = ROOT / "studies" / "evidence"


def of(settings: Settings, texts: int) -> dict:
    values = flatten(chosen(settings, texts))
    return {name.removeprefix("train."): values[name] for name in CHOSEN}


@pytest.mark.parametrize(
    ("texts", "batch_size", "epochs", "patience"),
    [(20, 16, 300, 100), (180, 16, 50, 17), (540, 16, 18, 6), (4_500, 32, 12, 2),
     (57_000, 64, 12, 2)],
)  # fmt: skip
def test_runs_are_as_long_as_their_updates(texts, batch_size, epochs, patience) -> None:
    found = of(Settings(), texts)
    assert (found["batch_size"], found["epochs"], found["patience"]) == (
        batch_size, epochs, patience
    )  # fmt: skip
    assert (found["target_lr"], found["average"], found["warmup_steps"]) == (5e-4, 100, 0)
    assert total_steps(Settings(), texts) >= 600
    assert found["margin"] == 0.5


def test_a_pretrained_target_warms_up_within_its_run() -> None:
    settings = override(Settings(), {"target.name": "some-model"})
    found = of(settings, 540)
    assert (found["epochs"], found["batch_size"], found["target_lr"]) == (5, 16, 5e-5)
    assert (found["warmup_steps"], found["margin"]) == (17, 0.0)  # of 170 updates
    assert of(settings, 6_000)["epochs"] == 2
    assert of(override(settings, {"train.max_steps": 40}), 540)["warmup_steps"] == 4


def test_encoders_are_trained_as_published() -> None:
    found = of(override(Settings(), {"target.name": "lstm"}), 6_000)
    assert (found["epochs"], found["batch_size"], found["target_lr"]) == (8, 32, 1e-3)
    assert (found["patience"], found["warmup_steps"]) == (0, 0)


def test_what_is_given_stays() -> None:
    given = {"train.epochs": 3, "train.batch_size": 8, "train.target_lr": 0.1, "train.patience": 0}
    given |= {"train.average": 0, "train.margin": 0.0, "train.warmup_steps": 5}
    settings = override(Settings(), given)
    assert chosen(settings, 500) == settings
    assert describe(settings, chosen(settings, 500)) == ""
    one = override(Settings(), {"train.batch_size": 8})
    assert describe(one, chosen(one, 80)).startswith("train.epochs 60, train.target_lr 0.0005")


def test_every_worker_has_two_texts_for_each_part() -> None:
    settings = override(Settings(), {"train.num_workers": 8, "train.accumulation_steps": 2})
    assert of(settings, 500)["batch_size"] == 32


def test_a_run_goes_on_with_what_was_chosen(tmp_path: Path) -> None:
    run = tmp_path / "run"
    begin(chosen(Settings(), 500), run)
    require_same_settings(Settings(), run)
    require_same_settings(chosen(Settings(), 500), run)
    with pytest.raises(UserError, match=r"train\.epochs"):  # other data: another choice
        require_same_settings(chosen(Settings(), 100), run)


def test_a_run_goes_on_whose_words_began_with_word2vec_by_an_older_default(tmp_path: Path) -> None:
    run, older = tmp_path / "run", {"target.word2vec": True}
    begin(override(Settings(), older), run)
    require_same_settings(Settings(), run)
    with pytest.raises(UserError, match=r"target\.word2vec = False: run run was started with True"):
        require_same_settings(override(Settings(), {"target.word2vec": False}), run)
    lstm = {"target.name": "lstm"}
    begin(override(Settings(), older | lstm), tmp_path / "other")
    with pytest.raises(UserError, match=r"target\.word2vec = None: run other was "):
        require_same_settings(override(Settings(), lstm), tmp_path / "other")


PAPER = {
    "data.min_frequency": 2, "target.hidden_size": 512, "target.heads": 4, "target.dropout": 0.3,
    "target.hops": 1, "target.bag_of_words": False,
    "discriminator.hidden_size": 512, "discriminator.pairing": "original", "afa.k": 3,
    "train.batch_size": 64, "train.target_lr": 1e-4, "train.discriminator_lr": 1e-4,
    "train.warmup_steps": 0, "train.average": 0, "train.margin": 0.0,
}  # fmt: skip
NAMES = ["paper", "ag_news", "hatexplain", "http_params", "imdb", "reviews", "sms_spam", "sst2",
         "sst2_sentences", "yelp_hat"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_papers_setting_is_spelled_out_for_its_data(name: str) -> None:
    settings = parse(["--config", str(CONFIGS / f"{name}.yaml")])
    assert PAPER.items() <= flatten(settings).items()
    assert settings.target.begins_with_word2vec
    assert chosen(settings, 200) == chosen(settings, 50_000) == settings
    assert name in ("paper", settings.data.name)


def test_the_evidence_starts_from_what_it_was_measured_with() -> None:
    settings = parse(["--config", str(STUDY / "evidence.yaml")])
    changed = {"target.hidden_size": 128, "discriminator.hidden_size": 128,
               "train.target_lr": 5e-4, "train.discriminator_lr": 5e-4,
               "train.epochs": 12, "train.patience": 2}  # fmt: skip
    assert (PAPER | changed).items() <= flatten(settings).items()
    assert settings.target.begins_with_word2vec
    assert chosen(settings, 200) == settings


def test_accuracy_undoes_the_papers_setting() -> None:
    presets = [str(CONFIGS / f"{name}.yaml") for name in ("sst2", "accuracy")]
    settings = parse(["--config", presets[0], "--config", presets[1]])
    plain = {"afa.lambda_adv": 0.0, "data.name": "sst2", "data.protocol": "random"}
    expected = flatten(override(Settings(), plain))
    judge = ("discriminator.pairing", "train.discriminator_lr")  # that there is none of
    assert {n: v for n, v in flatten(settings).items() if n not in judge} == {
        n: v for n, v in expected.items() if n not in judge
    }


def test_explainable_is_one_preset_for_both_kinds_of_target() -> None:
    presets = ["--config", str(CONFIGS / "pretrained.yaml"), "--config",
               str(CONFIGS / "explainable.yaml")]  # fmt: skip
    settings = parse([*presets, "--target.name", "some-model"])
    assert settings.discriminator.judge == "target"
    assert (settings.train.deletion_weight, settings.train.average) == (0.1, 0)
    assert parse(presets[2:]).target.hops == 2
