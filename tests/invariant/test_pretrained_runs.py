"""Whole runs with pretrained Targets: saved models open without afa_ray; resumed runs are equal."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from transformers import pipeline

from afa_ray import train as train_module
from afa_ray.config import Settings
from tests.conftest import FILLERS, small_texts, with_values
from tests.families import save_tiny
from tests.invariant.test_resume import interrupt_at, records
from tests.tokenizers import byte_pairs, unigrams, word_pieces

TEST_TEXTS = small_texts(60, 2)
RUNS = {
    "bert": {"afa.unit": "word", "discriminator.pairing": "contrast", "mlflow.uri": None},
    "gpt2": {"afa.policy": "plackett-luce", "train.gradient_checkpointing": True,
             "discriminator.pairing": "contrast", "discriminator.judge": "target"},
    "xlnet": {"discriminator.readout": "mean", "train.accumulation_steps": 2},
    "llama": {"target.lora.r": 4, "target.dtype": "bfloat16", "discriminator.pairing": "contrast"},
    "qwen3": {"target.lora.r": 4, "target.lora.merge": True},
    "gemma2": {"discriminator.pairing": "contrast", "discriminator.judge": "target"},
    "deberta-v2": {"afa.mask": "token", "afa.lambda_adv": 0.0},
}  # fmt: skip
TOKENIZERS = {"bert": word_pieces, "deberta-v2": word_pieces, "xlnet": unigrams}

OPEN = """
import json, sys
sys.modules["afa_ray"] = None  # cannot be imported
import torch
from pathlib import Path
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, pipeline

texts, labels, folders = json.loads(sys.stdin.read())
found = {}
for name, folder in folders.items():
    config = Path(folder, "config")  # beside adapters
    known = {"config": AutoConfig.from_pretrained(config)} if config.is_dir() else {}
    model = AutoModelForSequenceClassification.from_pretrained(folder, **known).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer(texts, return_tensors="pt", padding=True, truncation=True)
    inputs = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        classes = model(**inputs).logits.argmax(-1).tolist()
    found[name] = {
        "right": sum(a == b for a, b in zip(classes, labels)),
        "labels": model.config.id2label,
        "implementation": model.config._attn_implementation,
    }
classify = pipeline("text-classification", model=folders["bert"])
found["pipeline"] = classify(texts[0])
print(json.dumps(found))
"""

COUNT_RIGHT = """
import json, sys, torch
texts, labels = json.loads(sys.stdin.read())
inputs = tokenizer(texts, return_tensors="pt", padding=True, truncation=True)
with torch.no_grad():
    classes = model(**inputs).logits.argmax(-1).tolist()
print(sum(a == b for a, b in zip(classes, labels)) / len(labels))
"""


def write_csv(path: Path, texts: list[str], labels: list[int]) -> str:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows(
            zip(texts, ["bad" if label == 0 else "good" for label in labels], strict=True)
        )
    return str(path)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Texts of the user's own, as files."""
    folder = tmp_path_factory.mktemp("files")
    training = small_texts(170, 0)
    return {
        "data.train_file": write_csv(folder / "train.csv", training.texts, training.labels),
        "data.test_file": write_csv(folder / "test.csv", TEST_TEXTS.texts, TEST_TEXTS.labels),
        "run.storage": str(folder),
    }


@pytest.fixture
def settings_of(
    tiny_settings: Callable[..., Settings], files: dict[str, str], tmp_path: Path
) -> Callable[[str], Settings]:
    def settings(family: str) -> Settings:
        tokenizer = TOKENIZERS.get(family, byte_pairs)(small_texts(170, 0).texts)
        values = {"target.name": save_tiny(family, tmp_path / family, tokenizer)}
        short = {"data.name": "own", "train.epochs": 2, "run.name": family}
        return tiny_settings({**files, **values, **short, **RUNS[family]})

    return settings


@pytest.mark.slow
def test_saved_models_open_where_afa_ray_is_not_installed(
    settings_of: Callable[[str], Settings], files: dict[str, str]
) -> None:
    """… with the labels, and the test accuracy of the run's result."""
    results = {family: train_module.train(settings_of(family)) for family in RUNS}
    folders = {f: str(Path(files["run.storage"], f, "model")) for f in RUNS}
    done = subprocess.run(
        [sys.executable, "-c", OPEN],
        input=json.dumps([TEST_TEXTS.texts, TEST_TEXTS.labels.tolist(), folders]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    for family, result in results.items():
        assert found[family]["right"] / len(TEST_TEXTS) == pytest.approx(
            result["test"]["accuracy"],
            abs=0.018 if family == "llama" else 1e-9,  # bfloat16
        ), family
        assert list(found[family]["labels"].values()) == ["bad", "good"]
        eager = ("xlnet", "deberta-v2", "gemma2")
        assert found[family]["implementation"] == ("eager" if family in eager else "sdpa")
    assert found["pipeline"][0]["label"] in ("bad", "good")
    assert Path(files["run.storage"], "bert", "mlflow.json").exists()  # tracked like any run
    adapters = {path.name for path in Path(folders["llama"]).iterdir()}
    assert {"adapter_model.safetensors", "adapter_config.json", "config"} <= adapters
    assert "model.safetensors" not in adapters
    assert "adapter_config.json" not in {path.name for path in Path(folders["qwen3"]).iterdir()}
    for folder in folders.values():
        card = Path(folder, "README.md").read_text()
        assert "own" in card
        assert "target.name" in card
        assert files["run.storage"] not in card


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bert", "llama"])
def test_the_recipe_of_a_card_opens_adapters_for_other_classes(
    settings_of: Callable[[str], Settings], files: dict[str, str], tmp_path: Path, family: str
) -> None:
    """In a fresh process, where the head of the model that they adapt has three classes."""
    tokenizer = TOKENIZERS.get(family, byte_pairs)(small_texts(170, 0).texts)
    values = {
        "target.name": save_tiny(family, tmp_path / "three", tokenizer, classes=3),
        "target.lora.r": 4,
        "target.dtype": "float32",
        "train.epochs": 1,
        "run.name": f"{family}-recipe",
    }
    result = train_module.train(with_values(settings_of(family), **values))
    folder = Path(files["run.storage"], f"{family}-recipe", "model")
    recipe = (folder / "README.md").read_text().split("```python")[1].split("```")[0]
    done = subprocess.run(
        [sys.executable, "-c", recipe.replace("this folder", str(folder)) + COUNT_RIGHT],
        input=json.dumps([TEST_TEXTS.texts, TEST_TEXTS.labels.tolist()]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(result["test"]["accuracy"], abs=1e-9)


@pytest.mark.parametrize("name", ["transformer", "bert", "gpt2"])
def test_names_of_special_tokens_mean_what_they_meant_in_training(
    tiny_settings: Callable[..., Settings], tmp_path: Path, name: str
) -> None:
    """Nothing else tells the classes apart."""
    special = "<|endoftext|>" if name == "gpt2" else "[SEP]"
    random = np.random.default_rng(0)
    words = [random.choice(FILLERS[:6], 4) for _ in range(150)]
    texts = [
        " ".join((*text[:2], special if i % 2 else "|", *text[2:])) for i, text in enumerate(words)
    ]
    numbers = [i % 2 for i in range(150)]
    tokenizer = TOKENIZERS.get(name, byte_pairs)([*texts, "[ SEP ] < | endoftext > " * 5])
    values = {
        "data.name": "own",
        "data.train_file": write_csv(tmp_path / "train.csv", texts[:100], numbers[:100]),
        "data.test_file": write_csv(tmp_path / "test.csv", texts[100:], numbers[100:]),
        "run.storage": str(tmp_path),
        "run.name": "run",
        "afa.lambda_adv": 0.0,
        "train.epochs": 4,
        "train.target_lr": 5e-3,
    }
    if name != "transformer":
        values["target.name"] = save_tiny(name, tmp_path / name, tokenizer)
    result = train_module.train(tiny_settings(values))
    classify = pipeline("text-classification", model=str(tmp_path / "run" / "model"))
    found = [int(row["label"] == "good") for row in classify(texts[100:])]
    right = sum(a == b for a, b in zip(found, numbers[100:], strict=True))
    assert right / 50 == result["test"]["accuracy"] > 0.9


@pytest.mark.parametrize("family", ["bert", "llama"])
def test_resumed_equals_uninterrupted(settings_of: Callable[[str], Settings], family: str) -> None:
    """Words whole, and adapters, within the second epoch of ten updates."""
    settings = with_values(settings_of(family), **{"train.checkpoint_every": 4})
    whole, parts = (with_values(settings, **{"run.name": f"{family}-{n}"}) for n in ("one", "two"))
    train_module.train(whole)
    with pytest.MonkeyPatch.context() as patch:
        interrupt_at(patch, 15)
        with pytest.raises(KeyboardInterrupt):
            train_module.train(parts)
    train_module.train(parts)
    storage = Path(settings.run.storage)
    assert records(storage / f"{family}-one") == records(storage / f"{family}-two")
