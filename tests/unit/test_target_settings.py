"""Mistakes with pretrained Targets are named before anything is written; notes and dry runs."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoTokenizer,
    BertForMaskedLM,
    Gemma3Config,
    GptOssConfig,
    GptOssForSequenceClassification,
    T5Config,
    ViTConfig,
)

from afa_ray.config import Settings
from afa_ray.data.corpus import Corpus
from afa_ray.errors import UserError
from afa_ray.models import save_player
from afa_ray.models.loading import Loaded, load_pretrained, longest_text
from afa_ray.train import main
from afa_ray.training import players
from afa_ray.training.memory import activation_memory, parameter_memory
from tests.conftest import small_texts
from tests.families import FAMILIES, GROUPED, SIZES, save_tiny, tiny
from tests.tokenizers import byte_pairs, unigrams, word_pieces
from tests.unit.test_models import small_target
from tests.unit.test_train_command import ROWS, csv, refuse

__all__ = ["refuse"]  # a fixture
TEXTS = small_texts(100, 0).texts


@pytest.fixture
def models(tmp_path: Path) -> dict[str, str]:
    """Folders of a tiny model of each kind of tokenizer."""
    kinds = {"bert": word_pieces, "gpt2": byte_pairs, "xlnet": unigrams}
    return {f: save_tiny(f, tmp_path / f, make(TEXTS)) for f, make in kinds.items()}


@pytest.mark.parametrize(
    ("family", "arguments", "message"),
    [
        (
            "bert",
            ["--target.lora.r", "2", "--target.lora.modules", "query,keys"],
            "called 'keys'; there are dense, key, query, value",
        ),
        (
            "bert",
            ["--target.lora.r", "2", "--target.lora.modules", "classifier"],
            "no layer is called 'classifier'",
        ),
        ("xlnet", ["--train.gradient_checkpointing", "true"], "xlnet cannot; leave it out"),
        ("gpt2", ["--afa.mask", "token"], "has no mask token; use delete"),
        ("gpt2", ["--target.lora.merge", "true"], "need a rank above 0"),
        ("gpt2", ["--train.shard", "true"], "use at least 2"),
        ("gpt2", ["--target.dtype", "float8"], "must be one of float32, bfloat16"),
        (
            "gpt2",
            ["--train.accumulation_steps", "40", "--train.batch_size", "64"],
            "at least twice",
        ),
    ],
)
def test_mistakes(refuse, models: dict, family: str, arguments: list[str], message: str) -> None:
    assert message in refuse("--target.name", models[family], *arguments)


def test_models_that_are_none(refuse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "neither transformer, lstm, cnn or average, nor a folder" in refuse(
        "--target.name", "no/such-model"
    )
    (tmp_path / "empty").mkdir()
    assert "holds no model" in refuse("--target.name", str(tmp_path / "empty"))
    T5Config().save_pretrained(tmp_path / "t5")
    assert "an encoder and a decoder" in refuse("--target.name", str(tmp_path / "t5"))
    ViTConfig().save_pretrained(tmp_path / "vit")
    assert "no sequence classifier of type vit" in refuse("--target.name", str(tmp_path / "vit"))
    Gemma3Config().save_pretrained(tmp_path / "images")
    assert "reads more than texts" in refuse("--target.name", str(tmp_path / "images"))
    FAMILIES["bert"]().save_pretrained(tmp_path / "bert")
    assert "no weights in the safetensors format" in refuse("--target.name", str(tmp_path / "bert"))


def test_peft_is_asked_for(refuse, models: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    message = refuse("--target.name", models["bert"], "--target.lora.r", "2")
    assert 'pip install "afa_ray[lora]"' in message


def test_new_weights_and_eager_families_are_said(tmp_path: Path) -> None:
    torch.manual_seed(0)
    BertForMaskedLM(FAMILIES["bert"]()).save_pretrained(tmp_path / "bert")
    loaded = load_pretrained(str(tmp_path / "bert"), label_names=["a", "b"], pad_id=1)
    assert loaded.new == ["bert.pooler.dense", "classifier"]
    assert loaded.notes == ["new weights, not pretrained: bert.pooler.dense, classifier"]
    assert loaded.target.config.id2label == {0: "a", 1: "b"}
    tiny("deberta-v2", classes=3).save_pretrained(tmp_path / "deberta")
    loaded = load_pretrained(str(tmp_path / "deberta"), label_names=["a", "b"], pad_id=1)
    assert loaded.new == ["classifier"]  # it was for three classes
    assert "eager mode" in loaded.notes[-1]
    tiny("gemma2", classes=2).save_pretrained(tmp_path / "gemma2")
    loaded = load_pretrained(str(tmp_path / "gemma2"), label_names=["a", "b"], pad_id=1)
    assert loaded.notes[-1].startswith("gemma2 caps its attention scores at 2, ")


def test_modernbert_reads_cls(tmp_path: Path) -> None:
    model = tiny("modernbert", classes=2)
    model.config.classifier_pooling = "mean"
    model.save_pretrained(tmp_path)
    loaded = load_pretrained(str(tmp_path), label_names=["a", "b"], pad_id=1)
    assert loaded.target.reading == "first"
    assert loaded.notes[0] == "the classifier reads [CLS] instead of the mean over tokens"


def test_remote_code_is_not_run(tmp_path: Path) -> None:
    """A folder that brings a Python file for its own model type."""
    (tmp_path / "config.json").write_text(
        '{"model_type": "theirs", "auto_map": {"AutoConfig": "theirs.Theirs"}}'
    )
    (tmp_path / "theirs.py").write_text("import pathlib; pathlib.Path('ran').touch()")
    with pytest.raises(UserError, match="holds no model"):
        load_pretrained(str(tmp_path), label_names=["a", "b"], pad_id=0)


def test_longest_texts() -> None:
    longest = {family: longest_text(tiny(family)) for family in FAMILIES}
    expected = {"bert": 512, "roberta": 40 - 2, "xlnet": None, "gpt2": 1024, "opt": 2048}
    assert {family: longest[family] for family in expected} == expected


def test_models_that_are_broken(refuse, models: dict, tmp_path: Path) -> None:
    """Whatever libraries raise: a sentence, and no folder left behind."""
    given = ["--data.train_file", csv(tmp_path, "text,label\n" + ROWS), "--mlflow.uri", "none"]

    def broken(name: str, file: str, content: str) -> str:
        shutil.copytree(models["bert"], tmp_path / name)
        (tmp_path / name / file).write_text(content)
        return refuse("--target.name", str(tmp_path / name), *given)

    assert "no tokenizer" in broken("tokens", "tokenizer.json", "{}")
    lacking = json.loads(Path(models["bert"], "tokenizer.json").read_text())
    del lacking["post_processor"]["special_tokens"]["[CLS]"]  # tokenizers panics as it reads a text
    assert "no tokenizer: no entry" in broken("panic", "tokenizer.json", json.dumps(lacking))
    config = json.loads(Path(models["bert"], "config.json").read_text())
    for name, size in (("uneven", 30), ("text", "x")):
        changed = json.dumps(config | {"hidden_size": size})
        assert "holds no model" in broken(name, "config.json", changed)
    save_player(small_target(), tmp_path / "own")
    assert "a model of afa_ray, which trains from scratch" in refuse(
        "--target.name", str(tmp_path / "own"), *given
    )


def test_what_only_the_weights_tell(
    models: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is left of the run that was begun."""
    tokenizer = byte_pairs(TEXTS)
    config = GptOssConfig(**SIZES, **GROUPED, num_local_experts=2, num_experts_per_tok=1)
    config.vocab_size, config.pad_token_id = len(tokenizer), 0
    GptOssForSequenceClassification(config).save_pretrained(tmp_path / "sinks")
    tokenizer.save_pretrained(tmp_path / "sinks")
    Path(models["bert"], "model.safetensors").write_text("nothing")
    file = csv(tmp_path, "text,label\n" + ROWS)
    given = ["--data.train_file", file, "--run.storage", str(tmp_path / "runs"),
             "--train.num_workers", "0"]  # fmt: skip
    for name, message in (("sinks", "cannot be reached"), ("bert", "holds no model")):
        assert main(["--target.name", str(tmp_path / name), *given]) == 2
        assert message in capsys.readouterr().err
        assert [path.name for path in (tmp_path / "runs").iterdir()] == ["mlflow.db"]


def test_padding_that_texts_hold_is_refused(refuse, tmp_path: Path) -> None:
    tokenizer = unigrams(TEXTS)
    tokenizer.pad_token = tokenizer.unk_token
    folder = save_tiny("xlnet", tmp_path / "xlnet", tokenizer)
    file = csv(tmp_path, "text,label\n" + ROWS)
    message = refuse("--target.name", folder, "--data.train_file", file)
    assert "the padding token <unk> occurs" in message


def test_ids_beyond_the_embeddings_are_refused(refuse, tmp_path: Path) -> None:
    folder = save_tiny("gpt2", tmp_path / "gpt2", byte_pairs(TEXTS))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"pad_token": "<pad>"})
    tokenizer.save_pretrained(folder)
    assert "resize_token_embeddings" in refuse("--target.name", folder)


def test_a_head_for_classes_in_another_order_is_said(tmp_path: Path) -> None:
    model = tiny("bert", classes=2)
    model.config.id2label, model.config.label2id = {0: "b", 1: "a"}, {"b": 0, "a": 1}
    model.config.problem_type = "multi_label_classification"
    model.save_pretrained(tmp_path)
    loaded = load_pretrained(str(tmp_path), label_names=["a", "b"], pad_id=1)
    assert loaded.notes == ["its head was for the classes b, a, in that order"]
    assert loaded.target.config.problem_type == "single_label_classification"


def test_memory_by_hand() -> None:
    model = torch.nn.Linear(10, 5)  # 55 numbers
    model.bias.requires_grad = False
    memory = parameter_memory(model, shards=2)
    assert (memory.weights, memory.gradients, memory.adam) == (110, 100, 200)
    config = FAMILIES["bert"]()  # 2 layers, 32 wide, 64 inside: 8 * 32 + 3 * 64 = 448 a layer
    assert activation_memory(config, 100, 4, checkpointing=False) == 100 * 2 * 448 * 4
    assert activation_memory(config, 100, 2, checkpointing=True) == 100 * (2 * 32 + 448) * 2


def test_dry_run(models: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = csv(tmp_path, "text,label\n" + ROWS)
    status = main(
        ["--target.name", models["bert"], "--data.train_file", file, "--train.dry_run", "true",
         "--target.lora.r", "2", "--train.batch_size", "8", "--discriminator.hidden_size", "32",
         "--run.storage", str(tmp_path / "runs")]
    )  # fmt: skip
    output = capsys.readouterr().out
    assert status == 0
    assert not (tmp_path / "runs").exists()
    total = sum(p.numel() for p in tiny("bert", classes=2).parameters())
    target = next(line for line in output.splitlines() if line.startswith("  target"))
    numbers = [int(n.replace(",", "")) for n in target.split() if n.replace(",", "").isdigit()]
    assert 0 < numbers[1] < numbers[0] * 0.5
    assert abs(numbers[0] - total) < 0.6 * total  # another vocabulary, and adapters
    for word in ("judge", "GB a worker, estimated", "measured", "tokens/s", "an epoch"):
        assert word in output


def test_nothing_to_train_is_refused(
    models: dict, tiny_settings: Callable[..., Settings], small_corpus: Corpus,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def frozen(*arguments: object, **options: object) -> Loaded:
        loaded = load_pretrained(*arguments, **options)
        loaded.target.requires_grad_(False)
        return loaded

    monkeypatch.setattr(players, "load_pretrained", frozen)
    settings = tiny_settings({"target.name": models["bert"]})
    with pytest.raises(UserError, match="no weight of it is trainable"):
        players.build_players(settings, small_corpus)
