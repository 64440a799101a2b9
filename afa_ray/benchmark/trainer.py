"""Updates by `transformers.Trainer`, timed from the beginning to the end of its steps."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from afa_ray.benchmark.timing import Turn
from afa_ray.config import Settings, decided
from afa_ray.data.batches import Batch
from afa_ray.models.precision import in_bfloat16


def trainer_turn(
    settings: Settings,
    model: PreTrainedModel,
    device: torch.device,
    prepare: Callable[[], object] = lambda: None,
) -> Turn:
    """Turns of plain training; all batches of a turn are of one size.

    Args:
        settings: `train.target_lr`, `train.max_grad_norm`, `train.precision` and `target.dtype` are
            used here.
        model: a sequence classifier on `device`, whose padding is `config.pad_token_id`.
        prepare: called before each turn.
    """
    from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

    class Clock(TrainerCallback):
        """Seconds of each step."""

        def __init__(self) -> None:
            self.seconds: list[float] = []

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.started = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            if device.type == "cuda":
                torch.cuda.synchronize()
            self.seconds.append(time.perf_counter() - self.started)

    clock = Clock()
    folder = tempfile.TemporaryDirectory(prefix="afa_benchmark_")  # gone with the turn

    def turn(batches: list[Batch]) -> list[float]:
        prepare()
        clock.seconds.clear()
        pad_id = model.config.pad_token_id
        rows = [
            {"input_ids": ids, "attention_mask": (ids != pad_id).astype(np.int64), "labels": label}
            for batch in batches
            for ids, label in zip(batch.tokens, batch.labels, strict=True)
        ]
        bf16 = in_bfloat16(device, settings.train.precision)
        bf16 |= settings.target.dtype == "bfloat16"
        arguments = TrainingArguments(
            folder.name,
            per_device_train_batch_size=len(batches[0].labels),
            max_steps=len(batches),
            learning_rate=decided(settings.train.target_lr),
            max_grad_norm=settings.train.max_grad_norm,
            bf16=bf16,
            use_cpu=device.type == "cpu",
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        )
        trainer = Trainer(model, arguments, train_dataset=rows, callbacks=[clock])
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        return list(clock.seconds)

    return turn
