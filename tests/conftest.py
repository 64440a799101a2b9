"""Fixtures that several test files share."""

from __future__ import annotations

import os
import random
import shutil
import socket
import sqlite3
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from afa_ray import train as train_module
from afa_ray.config import DataSettings, Settings, decided
from afa_ray.data import generated
from afa_ray.data.corpus import Corpus
from afa_ray.data.packed import pack
from afa_ray.data.sources import load_raw
from afa_ray.data.texts import RawCorpus, Texts
from afa_ray.data.tokenizer import special_ids, train_tokenizer
from afa_ray.dotted import override
from afa_ray.importing import lasting
from afa_ray.records import mlflow_database
from afa_ray.records.mlflow_place import sqlite_database
from afa_ray.training.learner import Learner, build_learner
from afa_ray.training.players import build_players

# For the processes started from here: by default, OpenMP threads that wait spin on their core, and
# two processes that train side by side are ten times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    with lasting():
        return (yield)


@pytest.fixture(autouse=True, scope="session")
def _own_share_of_cores() -> Iterator[None]:
    """Of several test processes each trains on its share: threads that compete wait for each other
    in every operation."""
    beside = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    share = range(max(1, (os.cpu_count() or 1) // beside))
    if beside == 1:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "sched_getaffinity", lambda process: set(share), raising=False)
        torch.set_num_threads(len(share))
        yield


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of the public data sets; the test is skipped where there is none."""
    given = os.environ.get("AFA_DATA_DIR")
    folder = Path(given) if given else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no public data sets: set AFA_DATA_DIR ({folder} does not exist)")
    return folder


@pytest.fixture(autouse=True, scope="session")
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Of this test process: a cache of word vectors, and the place where Ray finds its cluster."""
    os.environ["AFA_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))
    ray = tempfile.mkdtemp(prefix="afa", dir="/tmp")  # short: it holds Unix sockets
    os.environ["RAY_TMPDIR"] = ray
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        del os.environ[name]
    yield
    shutil.rmtree(ray, ignore_errors=True)


@pytest.fixture(autouse=True, scope="session")
def _tables_made_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Of this test process: MLflow takes seconds to make a database's tables, so that each begins
    as a copy of one that has no experiments yet."""
    empty, make = tmp_path_factory.mktemp("tables") / "mlflow.db", mlflow_database._make

    def make_from_copy(uri: str, artifacts: str) -> None:
        if not empty.exists():
            make(f"sqlite:///{empty}", artifacts)
            with closing(sqlite3.connect(empty)) as database:
                database.execute("DELETE FROM experiments")
                database.commit()
        shutil.copy(empty, decided(sqlite_database(uri)))
        make(uri, artifacts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mlflow_database, "_make", make_from_copy)
        yield


@pytest.fixture
def fewer_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The generated sets of this process have hundreds of texts, not thousands to prepare."""
    monkeypatch.setattr(generated, "REVIEW_SIZES", (600, 100, 100))
    monkeypatch.setattr(generated, "MOCK_SIZES", (600, 100))


def free_port() -> int:
    """Below the ports of outgoing connections, so that none takes it before it is used."""
    while True:
        port = random.SystemRandom().randrange(20_000, 30_000)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def raw_corpus(name: str, *, seed: int, **settings: Any) -> RawCorpus:
    """The texts of a set, or of files."""
    return load_raw(DataSettings(name=name, **settings), seed=seed)


def with_values(settings: Settings, **values: Any) -> Settings:
    """Settings with dotted names replaced: `with_values(s, **{"afa.k": 2})`."""
    return override(settings, values)


TINY = {
    "target.hidden_size": 32,
    "target.word2vec": False,
    "target.bag_of_words": False,
    "discriminator.hidden_size": 32,
    "discriminator.pairing": "original",
    "data.max_length": 64,
    "train.batch_size": 16,
    "train.epochs": 20,
    "train.patience": 2,
    "train.warmup_steps": 0,
    "train.average": 0,
    "train.refit": False,
    "train.target_lr": 1e-3,
    "train.discriminator_lr": 1e-3,
    "train.num_workers": 0,
    "train.log_every": 7,
    "evaluate.explained": 0,
    "mlflow.uri": "none",
}


@pytest.fixture
def tiny_settings() -> Callable[..., Settings]:
    """Settings of a run of seconds; dotted names override."""
    return lambda values=None: with_values(Settings(), **(TINY | (values or {})))


GOOD, BAD = ["superb", "lovely", "great"], ["awful", "bleak", "rotten"]
FILLERS = [f"word{i}" for i in range(20)]


def small_texts(count: int, seed: int) -> Texts:
    """Fillers with one opinion word, which is marked; labels 0 bad, 1 good."""
    random = np.random.default_rng(seed)
    labels, words, marks = [], [], []
    for _ in range(count):
        label = int(random.integers(2))
        text = list(random.choice(FILLERS, int(random.integers(3, 12))))
        place = int(random.integers(len(text)))
        text[place] = str(random.choice(GOOD if label else BAD))
        labels.append(label)
        words.append(text)
        marks.append([int(i == place) for i in range(len(text))])
    return Texts([" ".join(text) for text in words], np.array(labels), words, marks)


def rows_of(texts: Texts) -> list[tuple[Any, ...]]:
    """Text, label, words and marks of each row."""
    none = [None] * len(texts)
    columns = (texts.texts, texts.labels.tolist(), texts.words or none, texts.marks or none)
    return list(zip(*columns, strict=True))


def plain(corpus: RawCorpus) -> list[Any]:
    """Everything in a corpus, to compare."""
    splits = [part and rows_of(part) for part in (corpus.train, corpus.validation, corpus.test)]
    return [corpus.name, corpus.label_names, corpus.notes, *splits]


@pytest.fixture(scope="session")
def small_corpus() -> Corpus:
    """150 training texts, 40 for validation and 60 for test."""
    texts = [small_texts(n, seed) for seed, n in enumerate((150, 40, 60))]
    tokenizer = train_tokenizer(texts[0].texts, 100, 64, min_frequency=2)
    train, validation, test = (pack(part, tokenizer, 64) for part in texts)
    return Corpus("small", ["bad", "good"], tokenizer, train, validation, test, None, (), 64)


@pytest.fixture
def on_small_corpus(monkeypatch: pytest.MonkeyPatch, small_corpus: Corpus) -> None:
    """Training in this process is on the small corpus, whatever its settings name."""
    monkeypatch.setattr(train_module, "prepare_corpus", lambda settings: small_corpus)


@pytest.fixture
def make_learner(small_corpus: Corpus) -> Callable[..., Learner]:
    """A learner on the CPU for the small corpus; the Discriminator may be another module."""

    def make(settings: Settings, discriminator: Any = None) -> Learner:
        tokenizer = small_corpus.tokenizer
        target, built, _ = build_players(settings, small_corpus)
        return build_learner(
            settings,
            target,
            discriminator or built,
            special_ids=special_ids(tokenizer),
            pad_id=tokenizer.pad_token_id,
            mask_id=tokenizer.mask_token_id,
            device=torch.device("cpu"),
            total_steps=100,
        )

    return make
