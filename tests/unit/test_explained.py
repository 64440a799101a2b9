"""The attention row beside costlier explanations of the same model, in a run's results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from afa_ray import load
from afa_ray import train as train_module
from afa_ray.config import Settings
from afa_ray.data.corpus import Corpus
from afa_ray.data.sample import sample
from afa_ray.data.tokenizer import special_ids
from afa_ray.evaluation.erasure import ERASURE
from afa_ray.evaluation.explained import explained
from afa_ray.evaluation.one_pass import figure
from afa_ray.explainers import EXPLAINERS, CannotExplainError
from afa_ray.metrics import METRICS, flat_figures
from afa_ray.training.players import build_players


def test_a_run_says_what_its_row_is_worth_beside_integrated_gradients(
    tiny_settings: Callable[..., Settings],
    small_corpus: Corpus,
    on_small_corpus: None,
    tmp_path: Path,
) -> None:
    settings = tiny_settings(
        {"evaluate.explained": 12, "train.epochs": 3, "run.storage": str(tmp_path), "run.name": "a"}
    )
    result = train_module.train(settings)
    found = result["explained"]
    target = load(tmp_path / "a" / "model").model
    few = sample(small_corpus.test, 12, 0)
    special = special_ids(small_corpus.tokenizer)
    for method in ("attention", "layers_ig", "ig"):
        expected = figure(target, few, special, 0, ERASURE, explainer=EXPLAINERS[method])
        for name in ("comprehensiveness", "sufficiency"):
            assert found[f"{method}_{name}"] == pytest.approx(expected[name], abs=1e-6)
    assert found["texts"] == len(few) == 12
    assert found["ig_comprehensiveness"] > found["attention_comprehensiveness"] - 0.05
    names = {name for name in flat_figures(result) if name.startswith("explained/")}
    assert len(names) == 7
    assert names <= METRICS.keys()
    card = (tmp_path / "a" / "model" / "README.md").read_text(encoding="utf-8")
    figures = f"{found['ig_comprehensiveness']:.4f} / {found['ig_sufficiency']:.4f}"
    assert f"| comprehensiveness / sufficiency of `ig` (12 texts) | {figures} |" in card
    page = (tmp_path / "a" / "report.html").read_text(encoding="utf-8")
    assert "sufficiency of integrated gradients, on 12 of the texts" in page


def test_a_method_that_a_model_lacks_is_left_out(
    tiny_settings: Callable[..., Settings], small_corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*given: object) -> None:
        raise CannotExplainError("not for this model")

    monkeypatch.setitem(EXPLAINERS, "ig", refuses)
    target = build_players(tiny_settings(), small_corpus).target.eval()
    few = sample(small_corpus.test, 4, 0)
    found = explained(target, few, special_ids(small_corpus.tokenizer), 0)
    assert {name.rpartition("_")[0] for name in found} == {"", "attention", "layers_ig"}
