"""What an explanation costs beside a prediction: texts a second of a BERT-base configuration."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification, BertConfig

from afa_ray.benchmark.gpu.checks import Check, Found
from afa_ray.benchmark.gpu.clock import timed
from afa_ray.benchmark.gpu.large import TINY
from afa_ray.benchmark.gpu.options import GpuSettings
from afa_ray.benchmark.gpu.speed import PRECISIONS
from afa_ray.models.attention_row import IMPLEMENTATION
from afa_ray.models.precision import Precision, autocast
from afa_ray.models.pretrained import PretrainedTarget
from afa_ray.training.session import pick_device


def checks(settings: GpuSettings) -> Iterator[Check]:
    device = pick_device(settings.train.use_gpu)
    for precision in PRECISIONS:
        yield precision, partial(compare, settings, precision, device)


@torch.no_grad()
def compare(settings: GpuSettings, precision: Precision, device: torch.device) -> Found:
    """Texts a second: predictions alone, with the attention row, and with the weights of all layers
    from eager attention."""
    small = settings.benchmark.small
    config = BertConfig(**TINY) if small else BertConfig()
    texts, length, times = (4, 16, 3) if small else (64, 128, 20)
    with device:
        model = AutoModelForSequenceClassification.from_config(config).eval()
    target = PretrainedTarget(model).eval()
    tokens = torch.randint(1, config.vocab_size, (texts, length), device=device)
    mask = torch.ones_like(tokens)

    def speed(attention: str, read: Callable[[], Tensor]) -> float:
        model.set_attn_implementation(attention)
        with autocast(device, precision):
            return texts / statistics.median(timed(read, device, times))

    alone = speed("sdpa", lambda: model(tokens, attention_mask=mask).logits)
    row = speed(IMPLEMENTATION, lambda: target(tokens, attention_mask=mask).attention_row)
    weights = speed(
        "eager", lambda: model(tokens, attention_mask=mask, output_attentions=True).attentions[-1]
    )
    return Found(
        {
            "prediction (texts/s)": alone,
            "with the row (texts/s)": row,
            "with all weights (texts/s)": weights,
            "row / prediction (time)": alone / row,
        }
    )
