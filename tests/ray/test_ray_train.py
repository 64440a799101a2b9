"""Training in a real Ray Train worker group."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from afa_ray import train as train_module
from afa_ray.config import Settings
from afa_ray.data.corpus import Corpus
from afa_ray.errors import DivergedError, UserError
from afa_ray.records.manifest import RAYS_OWN, latest_checkpoint
from afa_ray.training.players import build_players
from tests.conftest import with_values
from tests.invariant.test_resume import interrupt_at
from tests.ray.actors import processes_of

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("cluster")]


def run(settings: Settings, storage: Path, name: str) -> Path:
    train_module.train(with_values(settings, **{"run.storage": str(storage), "run.name": name}))
    return storage / name


def records(folder: Path, kind: str) -> list[dict]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [r for r in map(json.loads, lines) if r["kind"] == kind]


def test_two_workers_equal_one_whatever_becomes_of_them(
    tiny_settings: Callable[..., Settings],
    on_small_corpus: None,
    small_corpus: Corpus,
    tmp_path: Path,
) -> None:
    """Begun by one process, continued by two workers, one of which is killed and replaced: as if by
    one process in one go. (From two workers to one: `test_nodes`.)

    No epoch is lost, no update counted twice. The parts end in the middle of an interval between
    log lines, so that its figures, too, must have travelled with the checkpoint.
    """
    settings = tiny_settings(
        {
            "target.dropout": 0.0,
            "train.epochs": 8,
            "train.batch_size": 17,  # shares of different size; 9 updates an epoch
            "train.checkpoint_every": 4,
            "train.patience": 0,
            "train.max_failures": 1,
            "discriminator.pairing": "contrast",
            "afa.whiten_advantage": True,
        }
    )
    on_ray = with_values(settings, **{"train.num_workers": 2})
    with pytest.MonkeyPatch.context() as patch:
        interrupt_at(patch, 14)
        with pytest.raises(KeyboardInterrupt):
            run(settings, tmp_path, "mixed")
    killed: list[int] = []
    kill_a_worker_at(tmp_path / "mixed", 30, killed)
    mixed, whole = run(on_ray, tmp_path, "mixed"), run(settings, tmp_path, "whole")
    assert len(killed) == 1
    assert not (mixed / RAYS_OWN).exists()
    for kind in ("train", "epoch"):
        for one, two in zip(records(mixed, kind), records(whole, kind), strict=True):
            assert one["step"] == two["step"]
            for name in two.keys() - {"time/tokens_per_s", "kind", "at"}:
                assert one[name] == pytest.approx(two[name], rel=5e-3, abs=5e-4), name
    ends = [latest_checkpoint(folder) for folder in (mixed, whole)]
    for player in ("target", "discriminator"):
        one, two = (load_file(end / f"{player}.safetensors") for end in ends)
        for name in one:
            assert torch.allclose(one[name], two[name], atol=1e-3), f"{player} {name}"
    assert not torch.allclose(  # the tolerance is far below what training moved
        load_file(ends[0] / "target.safetensors")["classifier.weight"],
        with_initial_weights(settings, small_corpus),
        atol=1e-2,
    )


def with_initial_weights(settings: Settings, small_corpus: Corpus) -> torch.Tensor:
    return build_players(settings, small_corpus).target.classifier.weight


def reached(folder: Path, step: int) -> bool:
    """Whether `metrics.jsonl` holds a record of that update or a later one."""
    file = folder / "metrics.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return bool(lines) and lines[-1].endswith("}") and json.loads(lines[-1])["step"] >= step


def kill_a_worker_at(folder: Path, step: int, killed: list[int]) -> None:
    """In the background: SIGKILL one Ray Train worker of this cluster when the run in the folder
    has reached that update."""

    def wait_and_kill() -> None:
        while not reached(folder, step):
            time.sleep(0.02)
        killed.append(min(workers()))
        os.kill(killed[0], signal.SIGKILL)

    threading.Thread(target=wait_and_kill, daemon=True).start()


def workers() -> set[int]:
    """Processes of this cluster's Ray Train workers."""
    return {process.pid for process in processes_of("RayTrainWorker")}


def test_divergence_is_not_tried_again(
    tiny_settings: Callable[..., Settings], on_small_corpus: None, tmp_path: Path
) -> None:
    """All workers stop together, whatever train.max_failures says."""
    values = {"train.target_lr": 1e30, "train.num_workers": 2, "train.max_failures": -1}
    with pytest.raises(DivergedError, match=r"training has diverged.*train\.target_lr"):
        run(tiny_settings(values), tmp_path, "diverged")
    assert not (tmp_path / "diverged" / "result.json").exists()
    assert latest_checkpoint(tmp_path / "diverged") is None


def test_more_workers_than_the_cluster_has(
    tiny_settings: Callable[..., Settings], on_small_corpus: None, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"train\.num_workers = 3: each worker needs a CPU"):
        run(tiny_settings({"train.num_workers": 3}), tmp_path, "greedy")
    assert list(tmp_path.iterdir()) == []


def test_the_saved_model_opens_in_a_new_process_with_the_same_accuracy(
    tiny_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = tiny_settings(
        {
            "train.epochs": 2,
            "train.num_workers": 1,
            "train.batch_size": 64,
            "mlflow.uri": None,
            "target.word2vec": True,
        }
    )
    folder = run(settings, tmp_path, "piped")
    code = """
import json, sys
import afa_ray
from transformers import pipeline
from afa_ray.config import DataSettings
from afa_ray.data.sources import load_raw

run = sys.argv[1]
test = load_raw(DataSettings(name="reviews"), seed=0).test
classify = pipeline("text-classification", model=f"{run}/model")
names = [answer["label"] for answer in classify(test.texts, batch_size=64)]
ids = classify.model.config.label2id
print(sum(ids[n] == label for n, label in zip(names, test.labels)) / len(names))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
    )
    result = json.loads((folder / "result.json").read_text())
    assert float(done.stdout.split()[-1]) == result["test"]["accuracy"]
    assert result["test"]["accuracy"] > 0.5
    assert result["agreement"]["texts"] > 500
    check_mlflow(tmp_path, folder, result)


def check_mlflow(storage: Path, folder: Path, result: dict) -> None:
    """The default store holds parameters, metrics by step and the artifacts."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{storage}/mlflow.db")
    experiment = client.get_experiment_by_name("afa_ray")
    (logged,) = client.search_runs([experiment.experiment_id])
    assert logged.info.status == "FINISHED"
    assert logged.info.run_name == folder.name
    assert logged.data.params["afa.k"] == "3"
    assert logged.data.metrics["test/accuracy"] == pytest.approx(result["test"]["accuracy"])
    baseline = result["baseline"]["accuracy"]
    assert logged.data.metrics["baseline/accuracy"] == pytest.approx(baseline)
    history = client.get_metric_history(logged.info.run_id, "val/accuracy")
    assert [m.step for m in history] == [r["step"] for r in records(folder, "epoch")]
    spread = client.get_metric_history(logged.info.run_id, "train/reward_spread")
    assert [m.step for m in spread] == [r["step"] for r in records(folder, "train")]
    names = {artifact.path for artifact in client.list_artifacts(logged.info.run_id)}
    assert {"model", "report.html", "result.json", "config.yaml"} <= names
