"""Tests of attention for which models are trained: losses by hand, and what fitting ends with."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import ttest_1samp

from afa_ray.config import Settings
from afa_ray.data.corpus import Corpus, prepare_corpus
from afa_ray.dotted import override
from afa_ray.evaluation.distances import (
    jensen_shannon,
    kullback_leibler,
    mean_divergence,
)
from afa_ray.evaluation.other_attention import among_words, departure_loss, even_row
from afa_ray.training import bench as bench_module
from afa_ray.training import trained_tests
from afa_ray.training.bench import Bench, Limits, accuracy, adversary, apart, over_seeds
from afa_ray.training.descent import Plan, Texts, classifying, fit, held_out_loss
from afa_ray.training.players import build_players
from afa_ray.training.trained_tests import TRAINED_TESTS
from tests.conftest import small_texts
from tests.families import save_tiny
from tests.tokenizers import word_pieces

LN2 = math.log(2)


def test_divergences_by_hand() -> None:
    one, two = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.5, 0.5, 0.0])
    assert kullback_leibler(one, two).item() == pytest.approx(LN2, abs=1e-5)
    assert kullback_leibler(two, one).item() == pytest.approx(
        0.5 * math.log(0.5) + 0.5 * math.log(0.5 / 1e-10), rel=1e-4
    )
    assert kullback_leibler(one, one).item() == 0
    rows = torch.rand(3, 5, 7).softmax(-1)
    every = jensen_shannon(rows[:, :, None], rows[:, None])
    assert torch.allclose(mean_divergence(rows), every.mean((1, 2)), atol=1e-6)


def test_rows_from_elsewhere_by_hand() -> None:
    text = torch.tensor([[False, True, True, False], [False, False, True, True]])
    assert even_row(text).tolist() == [[0, 0.5, 0.5, 0], [0, 0, 0.5, 0.5]]
    row = torch.tensor([[0.5, 0.1, 0.4, 0.0], [1.0, 0.0, 0.0, 0.0]])
    assert torch.allclose(
        among_words(row, text), torch.tensor([[0, 0.2, 0.8, 0], [0, 0, 0.5, 0.5]])
    )


def test_the_departure_loss_by_hand() -> None:
    p, own = torch.tensor([[0.9, 0.1]]), torch.tensor([[0.6, 0.4]])
    row, own_row = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.5]])
    loss = departure_loss(p, own, row, own_row, weight=0.1)
    assert loss.item() == pytest.approx(0.3 - 0.1 * LN2, abs=1e-5)
    reverse = departure_loss(p, own, own_row, row, weight=0.1, order="reverse")
    assert reverse.item() == pytest.approx(loss.item(), abs=1e-6)


def test_intervals_over_seeds() -> None:
    values = [0.1, 0.2, 0.4]
    found = over_seeds(values)
    interval = ttest_1samp(values, 0).confidence_interval(0.95)
    assert found["mean"] - found["half_width"] == pytest.approx(interval.low)
    assert found["mean"] + found["half_width"] == pytest.approx(interval.high)
    assert math.isnan(over_seeds([0.3])["half_width"])


@pytest.fixture
def bench(small_corpus: Corpus, tiny_settings: Callable[..., Settings]) -> Bench:
    """A trained `average` model, and few seeds and epochs."""
    settings = tiny_settings({"target.name": "average", "target.embedding_size": 16,
                              "target.hidden_size": 16, "train.target_lr": 1e-2})  # fmt: skip
    limits = Limits(seeds=2, epochs=3)
    model = build_players(settings, small_corpus).target
    texts = Texts(small_corpus.train, small_corpus.validation, (0, 1, 2, 3, 4))
    fit(model, classifying(), texts, Plan(6, 6, 1e-2, 0))
    return Bench(model, settings, small_corpus, small_corpus.test, limits)


def test_fitting_ends_with_the_lowest_loss_on_held_out_texts(bench: Bench) -> None:
    (model, _), texts = bench.fresh(3), bench.texts
    before = held_out_loss(model, classifying(), texts)
    epoch = fit(model, classifying(), texts, Plan(5, 5, 0.3, 0))  # a rate that does harm
    lowest = held_out_loss(model, classifying(), texts)
    again, _ = bench.fresh(3)
    assert fit(again, classifying(), texts, Plan(epoch, 5, 0.3, 0)) == epoch
    assert held_out_loss(again, classifying(), texts) == pytest.approx(lowest)
    assert lowest < before
    assert not model.training


def test_models_of_another_kind_are_trained_at_the_rate_of_their_kind(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever rate was chosen for the run, which its settings name."""
    settings = override(bench.settings, {"target.name": "transformer", "train.target_lr": 5e-4})
    bench, rates = replace(bench, settings=settings), set()
    monkeypatch.setattr(bench_module, "fit", lambda *given: rates.add(given[-1].rate))
    guided = TRAINED_TESTS["guided"].models(bench)
    guided["guided, learned, 1"]()
    assert rates == {1e-3}


def test_an_adversary_that_is_paid_for_departing_does(bench: Bench) -> None:
    """Trained for the decision alone it decides alike; for attention alone it attends elsewhere."""
    bench = replace(bench, limits=Limits(seeds=1, epochs=12))
    alike, _ = adversary(bench, lambda p, own, row, own_row: (p - own).abs().sum(-1), 1)
    away, _ = adversary(
        bench, lambda p, own, row, own_row: -jensen_shannon(row, own_row), 1
    )  # fmt: skip
    (tvd, jsd), (far_tvd, far_jsd) = apart(bench, alike), apart(bench, away)
    assert tvd < 0.15 < far_tvd
    assert far_jsd > jsd
    assert accuracy(bench, alike)["accuracy"] > 0.9
    assert apart(bench, bench.target) == (0, pytest.approx(0, abs=1e-6))


def test_each_test_finds_something_of_so_many_models_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_module, "EPOCHS", 2)
    monkeypatch.setattr(bench_module, "UPDATES", 1)
    monkeypatch.setattr(trained_tests, "LAMBDAS", (0.0, 0.1))
    for name, models in {"even": 4, "guided": 8, "departure": 2, "attefa": 2}.items():
        run = TRAINED_TESTS[name].run
        trained: list[int] = []
        kept: dict[str, Any] = {}
        found = run(replace(bench, advance=trained.append, kept=kept))
        assert len(trained) == models == len(kept)
        with monkeypatch.context() as patch:  # all that has been found is kept
            patch.setattr(bench_module, "fit", lambda *_: pytest.fail("trained again"))
            again = run(replace(bench, advance=trained.append, kept=kept))
        assert again == found
        if name == "attefa":
            each = found["each"][0]
            expected = min(each["stvd"] / each["sjsd"], 1)
            assert each["attefa"] == pytest.approx(expected)
            assert found["attefa"]["seeds"] == 2
        if name == "even":
            assert found["itself"] > 0.9
        if name == "guided":
            assert set(found["by"]) == {"even", "learned", "this model's", "an adversary's"}
        if name == "departure":
            assert [point["lambda"] for point in found["curve"]] == [0.0, 0.1]


def test_models_are_found_by_themselves_in_any_order(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As workers find them; one adversary serves all of a worker's models that it guides."""
    monkeypatch.setattr(bench_module, "EPOCHS", 1)
    monkeypatch.setattr(bench_module, "UPDATES", 1)
    adversaries: list[int] = []
    monkeypatch.setattr(
        trained_tests, "adversary",
        lambda bench, loss, seed: adversaries.append(seed) or adversary(bench, loss, seed),
    )  # fmt: skip
    test = TRAINED_TESTS["guided"]
    backwards = {name: find() for name, find in reversed(test.models(bench).items())}
    assert adversaries == [1]
    assert test.figures(bench, backwards) == test.run(bench)


def test_a_pretrained_model_is_tested_by_others_of_its_kind(
    tmp_path: Path, tiny_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_module, "EPOCHS", 1)
    monkeypatch.setattr(bench_module, "UPDATES", 1)
    texts = small_texts(80, 0)
    rows = [f"{text},{label}" for text, label in zip(texts.texts, texts.labels, strict=True)]
    (tmp_path / "a.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    settings = tiny_settings({
        "target.name": save_tiny("bert", tmp_path / "bert", word_pieces(texts.texts)),
        "data.train_file": str(tmp_path / "a.csv"), "data.name": "a", "data.max_length": 24,
    })  # fmt: skip
    corpus = prepare_corpus(settings)
    target = build_players(settings, corpus).target.eval()
    bench = Bench(target, settings, corpus, corpus.test, Limits(seeds=1, epochs=1))
    found = TRAINED_TESTS["attefa"].run(bench)
    assert 0 < found["stvd"]["mean"] < 1
    assert 0 <= found["attefa"]["mean"] <= 1
    assert set(TRAINED_TESTS["guided"].run(bench)["by"]) == set(trained_tests.GUIDES)
    assert TRAINED_TESTS["even"].run(bench)["itself"] == accuracy(bench, target)["macro_f1"]
