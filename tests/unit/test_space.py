"""The search space: read exactly, refused in words, and drawn from its whole range."""

import pytest
from ray.tune.search.variant_generator import generate_variants

from afa_ray.complaints import complaints
from afa_ray.config import Settings
from afa_ray.dotted import override
from tune.options import SearchOptions
from tune.space import Choices, Range, Space, describe, draw, for_tune, parse_space, parse_values


def space_of(text: str) -> Space:
    faults: list[str] = []
    space = parse_space(text, Settings(), faults)
    assert faults == []
    return space


def faults_of(text: str) -> list[str]:
    faults: list[str] = []
    parse_space(text, Settings(), faults)
    return faults


def test_the_default_space() -> None:
    assert space_of(SearchOptions().space) == {
        "afa.k": Range(1, 8, whole=True, log=False),
        "afa.epsilon": Range(0.0, 0.5, whole=False, log=False),
        "afa.lambda_adv": Range(0.05, 2.0, whole=False, log=True),
    }


def test_choices_and_names_with_a_range_of_their_own() -> None:
    space = space_of("afa.policy discriminator.pairing train.target_lr afa.num_masks=2,4,8")
    assert space["afa.policy"] == Choices(("topk", "plackett-luce"))
    assert space["discriminator.pairing"] == Choices(("original", "contrast"))
    assert space["train.target_lr"] == Range(3e-5, 1e-3, whole=False, log=True)
    assert space["afa.num_masks"] == Choices((2, 4, 8))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("afa.kk=1:3", "did you mean afa.k?"),
        ("train.seed=1:3", "no setting that can be varied"),
        ("data.name=reviews,imdb", "no setting that can be varied"),
        ("afa.num_masks", "needs a range"),
        ("afa.k=0:3", "afa.k = 0: must be at least 1"),
        ("afa.k=3:1", "is no range"),
        ("afa.k=1:3:sqrt", "is no range"),
        ("afa.k=1:2.5", "afa.k = 2.5: must be a whole number"),
        ("afa.lambda_adv=0:1:log", "must begin above 0"),
        ("afa.policy=topk,best", "must be one of topk, plackett-luce"),
        ("afa.policy=topk:plackett-luce", "is no range"),
        ("afa.k=2,2", "a value is given twice"),
        ("afa.k=1:3 afa.k=1:4", "afa.k is given twice"),
        ("train.deletion_weight=0:1", "no setting that can be varied"),
        ("train.epochs=2:5", "no setting that can be varied"),
        ("", "is empty"),
    ],
)
def test_refusals(text: str, message: str) -> None:
    (fault,) = faults_of(text)
    assert fault.startswith("search.space")
    assert message in fault


def test_every_whole_number_of_a_range_is_checked() -> None:
    faults = faults_of("target.heads=1:4")  # 512 is no multiple of 3
    assert [fault for fault in faults if "target.heads = 3" in fault] == faults != []


def test_all_mistakes_at_once() -> None:
    assert len(faults_of("afa.kk=1:3 afa.k=0:3 afa.epsilon=0:2")) == 3


def test_draws_reach_both_ends_and_are_valid_settings() -> None:
    space = space_of("afa.k=1:3 train.patience=1:4:log afa.lambda_adv=0.1:10:log afa.policy")
    draws = [
        {path[0]: value for path, value in resolved.items()}
        for resolved, _ in (
            next(generate_variants(for_tune(space), random_state=seed)) for seed in range(300)
        )
    ]
    assert {draw["afa.k"] for draw in draws} == {1, 2, 3}
    assert {draw["train.patience"] for draw in draws} == {1, 2, 3, 4}
    assert {draw["afa.policy"] for draw in draws} == {"topk", "plackett-luce"}
    lambdas = [draw["afa.lambda_adv"] for draw in draws]
    assert 0.1 <= min(lambdas) < 0.13
    assert 7.5 < max(lambdas) <= 10
    below_one = sum(value < 1 for value in lambdas)  # half of them, in the logarithm
    assert 120 < below_one < 180
    assert all(complaints(override(Settings(), draw)) == [] for draw in draws)


def test_values_of_one_setting() -> None:
    faults: list[str] = []
    assert parse_values("afa.k", "1, 2,5", Settings(), faults) == [1, 2, 5]
    assert parse_values("afa.mask", "delete,token", Settings(), faults) == ["delete", "token"]
    assert faults == []
    parse_values("afa.k", "1,1", Settings(), faults)
    parse_values("afa.k", "1,0", Settings(), faults)
    parse_values("run.name", "a,b", Settings(), faults)
    parse_values("afa.k", "x,y", Settings(), faults)
    assert [fault.split(":")[0] for fault in faults] == [
        "sensitivity.values = 1,1", "sensitivity.values", "sensitivity.setting",
        "sensitivity.values", "sensitivity.values",
    ]  # fmt: skip


def test_description() -> None:
    drawn = {"afa.k": 3, "afa.epsilon": 0.12345, "afa.policy": "topk"}
    assert describe(drawn) == "k 3  epsilon 0.123  policy topk"
    assert describe({"target.lora.r": 8}) == "r 8"


def test_settings_in_groups_of_groups() -> None:
    faults: list[str] = []
    pretrained = override(Settings(), {"target.name": "a model", "target.lora.r": 4})
    space = parse_space("target.lora.r=2:8 target.lora.merge=true,false", pretrained, faults)
    assert faults == []
    assert space["target.lora.r"] == Range(2, 8, whole=True, log=False)


def test_a_single_draw_is_of_plain_values_and_repeats() -> None:
    space = space_of("afa.k=1:8 train.patience=1:9:log afa.lambda_adv=0.1:1:log afa.policy")
    one = draw(space, [0, 3])
    assert one == draw(space, [0, 3]) != draw(space, [0, 4])
    assert [type(value) for value in one.values()] == [int, int, float, str]
