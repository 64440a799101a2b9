"""Encoders are trained by every objective, learn a small task, and open like any other run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

import afa_ray
from afa_ray import train as train_module
from afa_ray.complaints import complaints
from afa_ray.config import Settings
from afa_ray.data.corpus import Corpus
from afa_ray.dotted import override
from afa_ray.models import EncodedTarget
from afa_ray.records.manifest import latest_checkpoint
from afa_ray.training.players import build_players
from tests.invariant.test_resume import interrupt_at, records

OBJECTIVES: dict[str, dict[str, Any]] = {
    "plain": {"afa.lambda_adv": 0.0},
    "original": {"discriminator.pairing": "original"},
    "contrast": {"discriminator.pairing": "contrast"},
    "explainable": {
        "discriminator.pairing": "contrast", "discriminator.judge": "target", "afa.k": 1,
        "afa.policy": "plackett-luce", "afa.lambda_adv": 0.1, "target.hops": 2,
    },
}  # fmt: skip


@pytest.fixture
def run(
    on_small_corpus: None,
    tiny_settings: Callable[..., Settings],
    tmp_path: Path,
) -> Callable[..., Path]:
    """Trains an encoder on the small corpus; returns the run's folder."""

    def start(name: str, **values: Any) -> Path:
        sizes = {"target.hidden_size": 16, "target.embedding_size": 24, "train.target_lr": 1e-2}
        own = {"run.storage": str(tmp_path), "run.name": name, "train.epochs": 4}
        train_module.train(tiny_settings({**sizes, **own, **values}))
        return tmp_path / name

    return start


@pytest.mark.parametrize(
    ("encoder", "scorer", "objective"),
    [
        ("lstm", "additive", "plain"), ("cnn", "dot", "original"),
        ("average", "additive", "contrast"), ("lstm", "dot", "explainable"),
    ],
)  # fmt: skip
def test_every_objective_trains_an_encoder(
    run: Callable[..., Path], encoder: str, scorer: str, objective: str
) -> None:
    values = {"target.name": encoder, "target.scorer": scorer, **OBJECTIVES[objective]}
    folder = run("a", **values)
    result = json.loads((folder / "result.json").read_text())
    assert result["test"]["accuracy"] > 0.9
    assert (
        f"{encoder} classifier with {scorer} attention" in (folder / "model/README.md").read_text()
    )
    classifier = afa_ray.load(folder)
    assert isinstance(classifier.model, EncodedTarget)
    assert classifier.predict(["word1 superb word2"])[0].label == "good"
    (found,) = classifier.explain(["word1 superb word2 word3"])
    assert sum(found.scores["attention"]) == pytest.approx(1, abs=1e-6)


def test_a_resumed_encoder_equals_the_uninterrupted_one(run: Callable[..., Path]) -> None:
    values = {"target.name": "lstm", **OBJECTIVES["contrast"], "train.checkpoint_every": 6}
    whole = run("whole", **values)
    with pytest.MonkeyPatch.context() as patch:
        interrupt_at(patch, 13)
        with pytest.raises(KeyboardInterrupt):
            run("parts", **values)
    parts = run("parts", **values)
    assert records(parts) == records(whole)
    ends = [latest_checkpoint(folder) for folder in (whole, parts)]
    first, second = (load_file(end / "best.safetensors") for end in ends if end)
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_word_vectors_are_the_words_that_it_starts_with(
    small_corpus: Corpus, tiny_settings: Callable[..., Settings]
) -> None:
    vectors = np.random.default_rng(0).normal(size=(len(small_corpus.tokenizer), 24))
    vectors = vectors.astype(np.float32) * np.float32(0.02)
    settings = tiny_settings({"target.name": "cnn", "target.embedding_size": 24})
    target = build_players(settings, replace(small_corpus, vectors=vectors)).target
    assert isinstance(target, EncodedTarget)
    assert np.allclose(target.words.weight.detach().numpy(), 5 * vectors)


def test_words_start_at_random_as_far_apart_as_is_asked_for(
    small_corpus: Corpus, tiny_settings: Callable[..., Settings]
) -> None:
    for std in (0.1, 1.0):
        settings = tiny_settings({"target.name": "lstm", "target.embedding_std": std})
        words = build_players(settings, small_corpus).target.words.weight
        assert words.std().item() == pytest.approx(std, rel=0.05)


def test_sizes_that_cannot_be_are_named() -> None:
    def found(**values: Any) -> list[str]:
        return complaints(override(Settings(), {f"target.{n}": v for n, v in values.items()}))

    assert found(name="cnn", hidden_size=30) == [
        "target.hidden_size = 30: must be a multiple of 4 for target.name = cnn"
    ]
    assert found(name="lstm", hidden_size=30, heads=4) == []  # which has no heads
    assert found(name="average", embedding_size=0) == [
        "target.embedding_size = 0: must be at least 1"
    ]
    assert found(name="lstm", embedding_std=0.0) == [
        "target.embedding_std = 0.0: must be a finite number above 0"
    ]
    assert found(name="lstm", dtype="bfloat16") == [
        "target.dtype = bfloat16: is for pretrained models; target.name is lstm"
    ]
