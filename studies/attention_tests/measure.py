"""One job of the study: a model is trained, and held to the tests of its part."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch

from afa_ray.command_line import parse
from afa_ray.config import SINGLE_LAYER, Settings
from afa_ray.data.corpus import Corpus, prepare_corpus
from afa_ray.data.packed import PackedTexts
from afa_ray.data.sample import sample
from afa_ray.data.tokenizer import special_ids
from afa_ray.evaluation.attefa import adversary_loss, attefa
from afa_ray.evaluation.audit import TESTS, batches
from afa_ray.evaluation.classification import classification_metrics
from afa_ray.evaluation.distances import LARGEST_DIVERGENCE
from afa_ray.evaluation.prediction import predict
from afa_ray.models import AnyTarget
from afa_ray.progress import ignored
from afa_ray.training.bench import Bench, Limits, adversary, apart
from studies.attention_tests.sets import SIZES, write_files
from studies.jobs import silence
from studies.training import CONFIGS, trained

FORMS: dict[str, list[str]] = {
    "plain": ["--afa.lambda_adv", "0"],
    "original": ["--discriminator.pairing", "original"],
    "contrast": ["--discriminator.pairing", "contrast"],
    "explainable": ["--config", str(CONFIGS / "explainable.yaml")],
}
MINILM = "minilm"
OURS = 3_000  # most training rows of the part "ours", whose training takes several times as long


class Job(NamedTuple):
    """A model of a part: `form` is how it is trained, `seed` fixes rows and weights."""

    part: str
    data: str
    model: str
    scorer: str
    form: str
    seed: int


class Budget(NamedTuple):
    """How much is done of a job.

    Attributes:
        rows: most training rows; 0 takes what `SIZES` says.
        texts: test texts of correlation, permutation and adversarial attention.
        adversaries: AtteFa's, each of at most `epochs`, on `train_texts` training texts.
        minilm: folder of the pretrained model.
        gpu: on a GPU, where there is one; the pretrained model is in any case.
        word2vec: encoders start with vectors of the training texts.
    """

    rows: int
    texts: int
    adversaries: int
    epochs: int
    train_texts: int
    minilm: str
    gpu: bool = False
    word2vec: bool = False


def measure(job: Job, budget: Budget) -> dict[str, Any]:
    """A line of `figures.jsonl`."""
    torch.set_num_threads(1)
    began = time.perf_counter()
    most = [OURS] * (job.part == "ours") + [budget.rows] * bool(budget.rows)
    rows = min([SIZES[job.data].rows, *most])
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AFA_CACHE_DIR"] = folder
        files = write_files(job.data, rows, job.seed, Path(folder))
        settings: Settings = parse([*settings_of(job, budget), *files])
        with silence():
            corpus = prepare_corpus(settings)
            worker = trained(settings, corpus, Path(folder) / "run", budget.gpu)
        spent = time.perf_counter() - began
        target = worker.learner.target.eval()
        limits = Limits(budget.adversaries, budget.epochs, budget.train_texts)
        bench = Bench(target, settings, corpus, corpus.test, limits)
        found: dict[str, Any] = quality(target, corpus) | {"rows": rows, "train_s": round(spent, 1)}
        found["embedding_std"] = settings.target.embedding_std
        if job.part != "attefa":
            found |= tests_of(target, corpus, sample(corpus.test, budget.texts, 0))
        if budget.adversaries and job.part != "jain_wallace":
            found["adversaries"] = adversaries(bench)
    return {**job._asdict(), **found, "seconds": round(time.perf_counter() - began, 1)}


def settings_of(job: Job, budget: Budget) -> list[str]:
    """All but the files."""
    size = SIZES[job.data]
    given = [*FORMS[job.form], "--data.name", job.data, "--train.seed", str(job.seed)]
    given += ["--mlflow.uri", "none", "--train.num_workers", "0"]
    if job.model == MINILM:
        name = ["--target.name", budget.minilm]
        return ["--config", str(CONFIGS / "pretrained.yaml"), *given, *name,
                "--data.max_length", str(size.longest)]  # fmt: skip
    given += ["--target.name", job.model, "--data.lowercase", "true"]
    given += ["--target.word2vec", "true"] * budget.word2vec
    given += ["--data.max_length", str(size.longest)]
    given += ["--data.min_frequency", str(size.frequency)]
    if job.model != SINGLE_LAYER:
        given += ["--target.scorer", job.scorer, "--train.batch_size", "32"]
        given += ["--target.embedding_std", str(size.std)]
    if job.part != "ours":  # as published: the weights as they are, of the best epoch
        given += ["--train.epochs", str(size.epochs), "--train.average", "0", "--train.margin", "0"]
    return given


def quality(target: AnyTarget, corpus: Corpus) -> dict[str, float]:
    found = predict(target, corpus.test).cpu().numpy()
    figures = classification_metrics(corpus.test.labels, found)
    return {name: figures[name] for name in ("accuracy", "macro_f1")}


def tests_of(target: AnyTarget, corpus: Corpus, texts: PackedTexts) -> dict[str, Any]:
    """The figures of Jain and Wallace's tests, with the seconds that each takes."""
    found: dict[str, Any] = {"texts": len(texts), "test_s": {}}
    special = special_ids(corpus.tokenizer)
    for name, test in TESTS.items():
        began = time.perf_counter()
        figures = test.run(target, batches(target, texts, special, ignored), 0)
        figures.pop("cases", None)
        found[name] = figures
        found["test_s"][name] = round(time.perf_counter() - began, 1)
    return found


def adversaries(bench: Bench) -> list[dict[str, float]]:
    """AtteFa's, by seed."""
    found = []
    for seed in range(1, bench.limits.seeds + 1):
        model, epoch = adversary(bench, adversary_loss, seed)
        tvd, jsd = apart(bench, model)
        f1 = quality(model, bench.corpus)["macro_f1"]
        found.append(
            {
                "seed": seed,
                "epoch": epoch,
                "macro_f1": f1,
                "stvd": tvd,
                "sjsd": jsd / LARGEST_DIVERGENCE,
                "attefa": attefa(tvd, jsd),
            }
        )
    return found
