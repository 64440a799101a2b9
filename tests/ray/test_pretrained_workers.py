"""A pretrained Target in two workers, whole in each or sharded, equals one in one process."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from afa_ray import train as train_module
from afa_ray.config import Settings
from afa_ray.data.corpus import Corpus
from tests.conftest import small_texts, with_values
from tests.families import save_tiny
from tests.ray.small_study import options, result
from tests.tokenizers import word_pieces
from tune import sensitivity as sensitivity_module

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("cluster")]


@pytest.fixture
def run(
    small_corpus: Corpus,
    on_small_corpus: None,
    tiny_settings: Callable[..., Settings],
    tmp_path: Path,
) -> Callable[..., tuple[dict, Path]]:
    """Train a tiny Llama in both pairings' common settings; its result and its folder."""
    folder = save_tiny("llama", tmp_path / "llama", small_corpus.tokenizer)
    settings = tiny_settings(
        {
            "target.name": folder,
            "target.dropout": 0.0,
            "train.batch_size": 17,  # shares of different size
            "train.epochs": 2,
            "train.max_grad_norm": 1.0,
            "run.storage": str(tmp_path),
        }
    )

    def train(name: str, **values: object) -> tuple[dict, Path]:
        chosen = {key.replace("__", "."): value for key, value in values.items()}
        changed = with_values(settings, **{"run.name": name, **chosen})
        return train_module.train(changed), tmp_path / name

    return train


@pytest.mark.parametrize(("lora", "sharded"), [(0, False), (2, True)])
def test_two_workers_equal_one(
    run: Callable[..., tuple[dict, Path]], lora: int, sharded: bool
) -> None:
    """With the model whole in each and all weights trained, its twin's too, or sharded with
    adapters."""
    options = {"target__lora__r": lora, "train__accumulation_steps": 2}
    if lora:
        options["target__lora__merge"] = True
    else:
        options |= {"discriminator__judge": "twin", "discriminator__pairing": "contrast"}
    alone, folder = run("alone", **options)
    options |= {"train__num_workers": 2, "train__shard": sharded}
    figures, other = run("shared", train__gradient_checkpointing=sharded, **options)
    expected = load_file(folder / "model" / "model.safetensors")
    assert figures["test"] == pytest.approx(alone["test"], abs=0.02)
    found = load_file(other / "model" / "model.safetensors")
    assert found.keys() == expected.keys()
    for name, value in found.items():
        assert torch.allclose(value, expected[name], atol=5e-4), name
    for one, two in zip(records(folder), records(other), strict=True):
        for name in one.keys() - {"time/tokens_per_s", "kind", "at"}:
            assert two[name] == pytest.approx(one[name], rel=5e-3, abs=5e-4), name
    model = AutoModelForSequenceClassification.from_pretrained(other / "model")
    assert model.config.id2label == {0: "bad", 1: "good"}


def records(folder: Path) -> list[dict]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [r for r in map(json.loads, lines) if r["kind"] in ("train", "epoch")]


def test_what_a_worker_finds_wrong_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that cannot be read: no traceback of Ray's, and nothing left of the run."""
    folder = save_tiny("bert", tmp_path / "bert", word_pieces(small_texts(240, 5).texts))
    Path(folder, "model.safetensors").write_text("nothing")
    given = options(tmp_path, target__name=folder, mlflow__uri="none", run__name="broken")
    assert train_module.main(given) == 2
    message = capsys.readouterr().err
    assert "holds no model that can be read" in message
    assert "Traceback" not in message
    assert not (tmp_path / "runs" / "broken").exists()


def test_a_study_of_a_pretrained_target(tmp_path: Path) -> None:
    """Pieces against words: each value has a corpus of its own."""
    folder = save_tiny("bert", tmp_path / "bert", word_pieces(small_texts(240, 5).texts))
    given = options(tmp_path, target__name=folder, sensitivity__setting="afa.unit",
                    sensitivity__values="piece,word", sensitivity__seeds=1, train__epochs=1,
                    mlflow__uri="none")  # fmt: skip
    assert sensitivity_module.main(given) == 0
    runs = tmp_path / "runs" / "sensitivity-small" / "runs"
    results = {run.name: result(run) for run in runs.iterdir()}
    assert {r["settings"]["afa.unit"] for r in results.values()} == {"piece", "word"}
    assert len(results) == 2
