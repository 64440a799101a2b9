"""Runs whose losses, figures and weights are known: what leaves behaviour as it is leaves these.

`reference.json` beside this file holds them, bit for bit where the platform is that which made them
(`platform_of_now`), and within a tolerance elsewhere. Where numbers are meant to change:

    python -m tests.invariant.test_reference

makes them anew, and prints how far off the old ones are.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

import afa_ray
from afa_ray.train import main
from tests.conftest import small_texts
from tests.families import save_tiny

REFERENCE = Path(__file__).with_name("reference.json")
EXPLAINABLE = str(Path(afa_ray.__file__).parent / "configs" / "explainable.yaml")
SIZES = {"train": 200, "validation": 60, "test": 60}
PARTS = ("test", "validation", "deletion_curve", "faithfulness", "robustness", "attention")

# Relative differences elsewhere: of rounding, by which a mask in some thousand is another, of what
# jumps, and with other random numbers.
ROUNDING, JUMP, OTHER_DRAWS = 2e-3, 0.05, 0.3

# 12 updates an epoch. The default recipe takes its weights' average and trains again on all texts.
SHORT = "--train.batch_size 16 --train.epochs 2 --train.log_every 4"
SMALL = (
    f"{SHORT} --target.hidden_size 32 --discriminator.hidden_size 32 --target.bag_of_words false"
    " --train.target_lr 0.003 --train.discriminator_lr 0.003 --train.average 0"
)
CASES = {
    "plain": f"{SMALL} --afa.lambda_adv 0",
    "original": f"{SMALL} --discriminator.pairing original",
    "contrast": f"{SMALL} --discriminator.pairing contrast",
    "explainable": f"--config {EXPLAINABLE} {SMALL}",
    "parts": f"{SMALL} --discriminator.pairing original --train.accumulation_steps 2"
    " --afa.mask token --train.schedule linear --train.warmup_steps 3 --train.max_grad_norm 0.5",
    "bert": f"{SHORT} --train.target_lr 0.001 --target.name BERT"
    " --discriminator.pairing original --afa.unit word",
    "gpt2": f"--config {EXPLAINABLE} {SHORT} --train.target_lr 0.001 --target.name GPT2"
    " --target.hops 1",
    "recipe": "--data.validation_share 0.2 --target.hidden_size 64 --discriminator.hidden_size 64"
    " --train.average 20 --train.max_steps 48 --train.log_every 8",
}  # fmt: skip


def platform_of_now() -> dict[str, str]:
    """What the bits of a run depend on."""
    draws = torch.empty(64).bernoulli_(0.3, generator=torch.Generator().manual_seed(0))
    packages = ("torch", "numpy", "scipy", "scikit-learn", "gensim", "transformers", "tokenizers")
    return {
        "processor": _processor(),
        "kernels": torch.backends.cpu.get_cpu_capability(),
        "draws": _digest({"": draws}),
        **{name: version(name) for name in packages},
    }


def _processor() -> str:
    """Its name and model number, as Linux knows them."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    told = dict(line.split(":", 1) for line in lines if ":" in line)
    found = {name.strip(): value.strip() for name, value in told.items()}
    return f"{found.get('model name', platform.machine())} {found.get('model', '')}".strip()


def run_case(name: str, folder: Path) -> dict[str, Any]:
    """Train by the command line; what the folder of the run holds in the end."""
    arguments = CASES[name].split()
    for word in {"BERT", "GPT2"}.intersection(arguments):
        model = save_tiny(word.lower(), folder / word, _tokenizer())
        arguments[arguments.index(word)] = model
    common = [
        "--data.name", "own", *_files(folder, held_out=name != "recipe"), "--run.name", "run",
        "--run.storage", str(folder), "--train.num_workers", "0", "--mlflow.uri", "none",
    ]  # fmt: skip
    with one_thread():
        assert main([*arguments, *common]) == 0
    return read_run(folder / "run")


def _tokenizer() -> PreTrainedTokenizerFast:
    """Of few pieces, not trained: training breaks ties as it happens."""
    pieces = ["word", *"#abcdefghijklmnopqrstuvwxyz0123456789", "aw", "gre", "##ful", "##at"]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    known = [*special, *pieces, *(f"##{piece}" for piece in pieces if len(piece) == 1)]
    tokenizer = Tokenizer(WordPiece({x: i for i, x in enumerate(known)}, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = BertNormalizer(), BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = zip(("pad", "unk", "cls", "sep", "mask"), special, strict=True)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=64, **{f"{n}_token": x for n, x in names}
    )


def _files(folder: Path, *, held_out: bool) -> Iterator[str]:
    """Small files of generated texts, one label in seven wrong, that accuracy is not 1 at once, as
    arguments; without `held_out` none for validation."""
    for seed, (split, count) in enumerate(SIZES.items()):
        if split == "validation" and not held_out:
            continue
        texts, path = small_texts(count, seed), folder / f"{split}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            labels = [label ^ (i % 7 == 3) for i, label in enumerate(texts.labels.tolist())]
            rows = zip(texts.texts, labels, strict=True)
            csv.writer(file).writerows([("text", "label"), *rows])
        yield from (f"--data.{split}_file", str(path))


@contextmanager
def one_thread() -> Iterator[None]:
    """As on a machine with one core: sums of several threads depend on how many there are."""
    threads = torch.get_num_threads()
    with (
        mock.patch.object(os, "sched_getaffinity", return_value={0}, create=True),
        mock.patch.object(os, "cpu_count", return_value=1),
    ):
        yield
    torch.set_num_threads(threads)


def read_run(run: Path) -> dict[str, Any]:
    """Figures of training and of the result as they are, and of the weights, in the order of their
    names, a digest; and, that a difference can be judged, their number, sum and sum of squares."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    records = [record for record in map(json.loads, lines) if record["kind"] != "note"]
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    models = {
        name: load_file(run / name / "model.safetensors")
        for name in ("model", "discriminator")
        if (run / name).exists()
    }
    return {
        "training": [
            {n: v for n, v in record.items() if n != "at" and not n.startswith("time/")}
            for record in records
        ],
        "result": {part: result[part] for part in PARTS},
        "weights": {name: _summary(tensors) for name, tensors in models.items()},
    }


def _summary(tensors: dict[str, torch.Tensor]) -> dict[str, Any]:
    values = [tensor.double().flatten() for _, tensor in sorted(tensors.items())]
    flat = torch.cat(values).numpy()
    return {
        "digest": _digest(tensors),
        "count": len(flat),
        "sum": float(np.sum(flat)),
        "sum_of_squares": float(np.sum(flat * flat)),
    }


def _digest(tensors: dict[str, torch.Tensor]) -> str:
    found = hashlib.sha256()
    for _, tensor in sorted(tensors.items()):
        found.update(tensor.contiguous().numpy().tobytes())
    return found.hexdigest()[:32]


def differences(found: Any, known: Any, tolerance: float, where: str = "") -> list[str]:
    """Where nested figures are not the same.

    With a tolerance of 0 every bit counts. Else digests do not, losses and sums of weights may
    differ by that much, relatively, and what jumps, such as accuracy, by `JUMP`.
    """
    if isinstance(known, dict) and isinstance(found, dict) and known.keys() == found.keys():
        inner = [(f"{where}/{name}", found[name], known[name]) for name in known]
    elif isinstance(known, list) and isinstance(found, list) and len(known) == len(found):
        inner = [(f"{where}/{i}", *pair) for i, pair in enumerate(zip(found, known, strict=True))]
    elif tolerance and where.endswith("digest"):
        return []
    elif tolerance and isinstance(known, float) and isinstance(found, float):
        smooth = "loss" in where or "sum" in where
        most = (tolerance if smooth else max(tolerance, JUMP)) * max(1.0, abs(known))
        return [] if abs(found - known) <= most else [f"{where}: {found!r}, was {known!r}"]
    else:
        return [] if found == known else [f"{where}: {found!r}, was {known!r}"]
    return [line for at, new, old in inner for line in differences(new, old, tolerance, at)]


def tolerance_between(now: dict[str, str], then: dict[str, str]) -> float:
    """0 on the same platform; elsewhere little, or where random numbers are others, much."""
    if now == then:
        return 0.0
    return ROUNDING if now["draws"] == then["draws"] else OTHER_DRAWS


@pytest.mark.parametrize("name", CASES)
def test_a_run_is_what_it_was(name: str, tmp_path: Path) -> None:
    known = json.loads(REFERENCE.read_text(encoding="utf-8"))
    tolerance = tolerance_between(platform_of_now(), known["platform"])
    faults = differences(run_case(name, tmp_path), known["cases"][name], tolerance)
    assert not faults, "\n".join([f"not the same within {tolerance}:", *faults[:40]])


def make_anew() -> None:
    """Write the reference of this code on this platform, and say what it changes."""
    cases = {}
    for name in CASES:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["AFA_CACHE_DIR"] = f"{folder}/cache"
            cases[name] = run_case(name, Path(folder))
    made = {"platform": platform_of_now(), "cases": cases}
    if REFERENCE.exists():
        old = json.loads(REFERENCE.read_text(encoding="utf-8"))
        print("\n".join(differences(made, old, 0.0)) or "nothing has changed")
    REFERENCE.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    make_anew()
