"""Fine-tuning with feedback beside plain fine-tuning, of models of the sizes that people use.

Only configurations are needed: the weights are random. Model FLOPs are counted as in Chowdhery et
al. (PaLM, 2022, appendix B): a product with a matrix of n weights takes 2 n a token forward, 2 n
for the gradient of its input and 2 n for its own, which adapters leave out; attention takes
4 L h d_h a token and layer forward (half of it where the future is hidden), twice that backward.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn
from transformers import BertConfig, PretrainedConfig, Qwen3Config
from transformers.pytorch_utils import Conv1D

from afa_ray.benchmark.gpu.checks import Check, Figure, Found
from afa_ray.benchmark.gpu.clock import timed
from afa_ray.benchmark.gpu.options import GpuSettings
from afa_ray.benchmark.options import BenchmarkOptions, BenchmarkSettings
from afa_ray.benchmark.pretrained import make_target, measure
from afa_ray.benchmark.timing import median, ratio
from afa_ray.dotted import override
from afa_ray.models.pretrained import PretrainedTarget
from afa_ray.training.session import pick_device

PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}  # dense bfloat16 FLOP/s, by datasheet
WORDS, TINY_WORDS = 151_936, 600
TINY: dict[str, Any] = {
    "vocab_size": TINY_WORDS,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
QWEN: dict[str, Any] = {
    "vocab_size": WORDS,
    "head_dim": 128,
    "num_key_value_heads": 8,
    "pad_token_id": 0,
}
ADAPTERS = {"target.lora.r": 16, "target.dtype": "bfloat16"}


class Model(NamedTuple):
    """A configuration, the settings of its fine-tuning, and the most that feedback may cost."""

    config: Callable[[], PretrainedConfig]
    texts: int
    length: int
    bar: float | None
    settings: dict[str, object] = {}  # noqa: RUF012, of a tuple


MODELS = {
    "BERT-base, 32x128": Model(BertConfig, 32, 128, 1.15),
    "BERT-base, 64x256": Model(BertConfig, 64, 256, 1.15),
    "Qwen3-0.6B, 8x512": Model(
        lambda: Qwen3Config(
            **QWEN,
            hidden_size=1024,
            intermediate_size=3072,
            num_hidden_layers=28,
            num_attention_heads=16,
            tie_word_embeddings=True,
        ),
        8,
        512,
        None,
        ADAPTERS,
    ),
    "Qwen3-8B, 8x512": Model(
        lambda: Qwen3Config(
            **QWEN,
            hidden_size=4096,
            intermediate_size=12_288,
            num_hidden_layers=36,
            num_attention_heads=32,
            tie_word_embeddings=False,
        ),
        8,
        512,
        1.05,
        ADAPTERS,
    ),
}
SMALL = {
    "small BERT": Model(lambda: BertConfig(**TINY), 4, 16, None),
    "small Qwen3": Model(
        lambda: Qwen3Config(**TINY, num_key_value_heads=2, head_dim=8, pad_token_id=0),
        4,
        16,
        None,
        ADAPTERS,
    ),
}


def checks(settings: GpuSettings) -> Iterator[Check]:
    device = pick_device(settings.train.use_gpu)
    side = 64 if settings.benchmark.small else 8192
    yield (
        f"bfloat16 product of {side} x {side}",
        lambda: Found({"TFLOP/s": product_speed(device, side) / 1e12}),
    )
    for name, model in (SMALL if settings.benchmark.small else MODELS).items():
        yield name, partial(compare_or_save_memory, settings, model, device)


def compare_or_save_memory(settings: GpuSettings, model: Model, device: torch.device) -> Found:
    """With activations recomputed where they do not fit."""
    try:
        return compare(settings, model, device, checkpointing=False)
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return compare(settings, model, device, checkpointing=True)


def compare(
    settings: GpuSettings, model: Model, device: torch.device, *, checkpointing: bool
) -> Found:
    """Updates of the Trainer, plain, and with feedback, one after the other."""
    with tempfile.TemporaryDirectory(prefix="afa_model_") as folder:
        model.config().save_pretrained(folder)
        given = BenchmarkSettings(
            discriminator=settings.discriminator,
            train=settings.train,
            benchmark=BenchmarkOptions(
                contenders="trainer,plain,afa",
                rounds=1 if settings.benchmark.small else 5,
                updates=1 if settings.benchmark.small else 5,
                random_weights=True,
            ),
        )
        given = override(
            given,
            {
                "target.name": folder,
                "train.batch_size": model.texts,
                "train.gradient_checkpointing": checkpointing,
                **model.settings,
            },
        )
        target = make_target(given, device)
        found = measure(given, target, model.length)
    seconds, tokens = found["seconds"], model.texts * model.length
    figures: dict[str, Figure] = {f"{n} (ms)": 1e3 * median(s) for n, s in seconds.items()}
    for name in ("trainer", "plain"):
        figures[f"afa / {name}"] = str(ratio(seconds["afa"], seconds[name]))
    figures["afa (tokens/s)"] = tokens / median(seconds["afa"])
    done = tokens * flops_a_token(target, model.length) / median(seconds["plain"])
    figures["plain (TFLOP/s)"] = done / 1e12
    if peak := peak_speed(device):
        figures["of the card's peak"] = f"{done / peak:.0%}"
    figures |= {f"{name} (GB)": gb for name, gb in found["peak_gb"].items()}
    figures["activations"] = "recomputed" if checkpointing else "kept"
    paid = ratio(seconds["afa"], seconds["plain"]).median
    return Found(figures, None if model.bar is None else paid <= model.bar)


def product_speed(device: torch.device, side: int) -> float:
    """FLOP/s of a product of two square matrices of random numbers in bfloat16."""
    left, right = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * side**3 / statistics.median(timed(lambda: left @ right, device, 10))


def peak_speed(device: torch.device) -> float | None:
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for card, peak in PEAKS.items() if card in name), None)


def flops_a_token(target: PretrainedTarget, length: int) -> float:
    """Model FLOPs of an update by cross-entropy, for each token of texts of `length`."""
    config = target.config
    weights = sum(
        module.weight.numel()
        for name, module in target.model.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and "lora_" not in name
    )
    wide = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    attention = 4 * length * config.num_attention_heads * wide * config.num_hidden_layers
    if target.reading == "last":
        attention //= 2
    adapted = any("lora_" in name for name, _ in target.model.named_modules())
    return (4 if adapted else 6) * weights + 3 * attention
