"""What debiasing is for: a word without meaning that occurs with one label only in training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from afa_ray.config import Settings
from afa_ray.data.corpus import prepare_corpus
from afa_ray.data.texts import RawCorpus, Texts
from afa_ray.dotted import override
from afa_ray.evaluation.prediction import predict
from afa_ray.evaluation.statistics import paired_difference
from afa_ray.training.session import local_session
from afa_ray.training.worker import Job, Worker

SETTINGS = {
    "afa.lambda_adv": 0.0, "target.hidden_size": 32, "target.word2vec": False, "train.epochs": 6,
    "train.batch_size": 16, "train.target_lr": 3e-3, "train.average": 0, "train.patience": 0,
    "train.choose": "last", "train.refit": False,
}  # fmt: skip


def texts_of(count: int, seed: int, shares: tuple[float, float]) -> Texts:
    """Six neutral words, in four of five texts one of the ten words of the label, and `zorp` in
    these shares of the texts of either label."""
    random = np.random.default_rng(seed)
    texts = []
    for i in range(count):
        words = [f"n{number}" for number in random.integers(30, size=6)]
        words += [f"{'ab'[i % 2]}{random.integers(10)}"] * (random.random() < 0.8)
        words += ["zorp"] * (random.random() < shares[i % 2])
        texts.append(" ".join(random.permutation(words)))
    return Texts(texts, np.arange(count) % 2)


def accuracy(method: str, seed: int, run: Path) -> float:
    settings = override(Settings(), {**SETTINGS, "supervision.method": method, "train.seed": seed})
    train, test = texts_of(300, seed, (0, 0.9)), texts_of(300, 1000 + seed, (0.5, 0.5))
    raw = RawCorpus("zorps", ["no", "yes"], train, test.take(np.arange(20)), test)
    corpus = prepare_corpus(settings, raw)
    run.mkdir()
    worker = Worker(Job(settings, corpus, run, None), local_session(run, torch.device("cpu")))
    worker.train()
    predicted = predict(worker.learner.target, corpus.test).numpy()
    return float((predicted == corpus.test.labels).mean())


def test_without_their_biases_keywords_do_less_harm(tmp_path: Path) -> None:
    """Keywords of the text's class send attention to `zorp`; das subtracts what it says alone."""
    found = {
        method: [accuracy(method, seed, tmp_path / f"{method}{seed}") for seed in range(5)]
        for method in ("das", "as-class")
    }
    difference = paired_difference(found["das"], found["as-class"])
    assert difference.mean - difference.half_width > 0
    assert difference.mean > 0.03
