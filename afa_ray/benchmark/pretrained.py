"""`python -m afa_ray.benchmark.pretrained`: what adversarial feedback costs over fine-tuning.

An update of each contender in turn, several rounds, in one process, on random full-length texts:

- `trainer`: plain fine-tuning by `transformers.Trainer`, attention by sdpa;
- `plain`: plain fine-tuning here; `afa`: with adversarial feedback;
- `naive`: the same feedback with the row read from `output_attentions=True` and eager attention.

Each contender has a model of its own with the same weights. An update is everything from the batch
to the changed weights: forward, backward, clipping (to 1), the optimiser.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification

from afa_ray.command_line import Command, run_command
from afa_ray.config import Settings, complaints, override
from afa_ray.data.batches import Batch
from afa_ray.models import Discriminator, DiscriminatorConfig, PretrainedTarget
from afa_ray.models.loading import load_pretrained, read_config
from afa_ray.models.pretrained import pick
from afa_ray.models.target import TargetOutput
from afa_ray.training.dry_run import GB, peak_memory
from afa_ray.training.learner import Learner
from afa_ray.training.session import pick_device
from afa_ray.training.worker import prepare_process, to_device, usable_cores

CONTENDERS = ("trainer", "plain", "afa", "naive")
LABELS = ["no", "yes"]


@dataclass(frozen=True, kw_only=True)
class BenchmarkOptions:
    """What to time."""

    contenders: str = ",".join(CONTENDERS)
    """Which of trainer, plain, afa and naive; ratios are to the first."""
    lengths: str = "64,256"
    """Tokens of a text."""
    rounds: int = 5
    """Turns of each contender."""
    updates: int = 3
    """Updates a turn; one more before them is not timed."""
    threads: int = 0
    """Threads on a CPU; 0 for all cores."""
    random_weights: bool = False
    """Draw the weights at random: only the model's configuration is needed."""
    out: str | None = None
    """File for the figures, as JSON."""


@dataclass(frozen=True, kw_only=True)
class BenchmarkSettings(Settings):
    """Settings of a training run, and what to time."""

    benchmark: BenchmarkOptions = field(default_factory=BenchmarkOptions)


Turn = Callable[[list[Batch]], list[float]]
"""Updates with the given batches; seconds of each."""


def make_target(settings: Settings, device: torch.device) -> PretrainedTarget:
    """The model, with adapters where the settings ask for them."""
    torch.manual_seed(0)
    name, dtype, lora = settings.target.name, settings.target.dtype, settings.target.lora
    assert isinstance(settings, BenchmarkSettings)
    if settings.benchmark.random_weights:
        config = read_config(name)
        config.num_labels = len(LABELS)
        config.pad_token_id = config.pad_token_id or 0
        model = AutoModelForSequenceClassification.from_config(config, dtype=getattr(torch, dtype))
        target = PretrainedTarget(model)
    else:
        pad_id = read_config(name).pad_token_id or 0
        target = load_pretrained(name, label_names=LABELS, pad_id=pad_id, dtype=dtype).target
    if lora.r:
        target.adapt(r=lora.r, alpha=lora.alpha, dropout=lora.dropout, modules=lora.modules, new=[])
    if settings.train.gradient_checkpointing:
        target.checkpoint_gradients()
    return to_device(target, device)


class NaiveTarget(PretrainedTarget):
    """Reads the row as one would without knowing better: all weights of all layers."""

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, labels: Tensor | None = None
    ) -> TargetOutput:
        assert attention_mask is not None
        output = self.model(
            input_ids=input_ids, attention_mask=attention_mask.long(), output_attentions=True
        )
        position = self._position(attention_mask.sum(1), attention_mask.shape[1])
        row = pick(output.attentions[-1], position).mean(1)
        return TargetOutput(logits=output.logits, attention_row=row)


def learner_turn(settings: Settings, device: torch.device, *, naive: bool = False) -> Turn:
    """Turns of the learner of this project, with feedback if `afa.lambda_adv` is above 0."""
    target = make_target(settings, device)
    if naive:
        target.model.set_attn_implementation("eager")
        target.__class__ = NaiveTarget
    discriminator = None
    if settings.afa.lambda_adv:
        words = target.get_input_embeddings().weight
        discriminator = Discriminator(
            DiscriminatorConfig(
                embedding_size=words.shape[1],
                hidden_size=settings.discriminator.hidden_size,
                max_position_embeddings=settings.data.max_length,
                pad_token_id=target.config.pad_token_id,
                num_classes=len(LABELS) * (settings.discriminator.pairing == "contrast"),
            )
        )
        discriminator.embed_with(words)
        to_device(discriminator, device)
    learner = Learner(
        settings,
        target,
        discriminator,
        special_ids=(),
        pad_id=target.config.pad_token_id,
        mask_id=None,
        device=device,
    )

    def turn(batches: list[Batch]) -> list[float]:
        seconds = []
        for step, batch in enumerate(batches):
            started = time.perf_counter()
            learner.update(batch, step)
            learner.sums.sum().item()  # all work is done
            seconds.append(time.perf_counter() - started)
        return seconds

    return turn


def trainer_turn(settings: Settings, device: torch.device) -> Turn:
    """Turns of `transformers.Trainer`, timed from the beginning to the end of its steps."""
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

    model: Any = make_target(settings, device).model
    model.set_attn_implementation("sdpa")
    clock = Clock()
    folder = tempfile.mkdtemp(prefix="afa_benchmark_")

    def turn(batches: list[Batch]) -> list[float]:
        clock.seconds.clear()
        rows = [
            {"input_ids": ids, "attention_mask": np.ones_like(ids), "labels": label}
            for batch in batches
            for ids, label in zip(batch.tokens, batch.labels, strict=True)
        ]
        arguments = TrainingArguments(
            folder,
            per_device_train_batch_size=len(batches[0].labels),
            max_steps=len(batches),
            learning_rate=settings.train.target_lr,
            max_grad_norm=settings.train.max_grad_norm,
            bf16=device.type == "cuda" or settings.target.dtype == "bfloat16",
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


def make_turn(name: str, settings: Settings, device: torch.device) -> Turn:
    if name == "trainer":
        return trainer_turn(settings, device)
    if name == "plain":
        return learner_turn(override(settings, {"afa.lambda_adv": 0.0}), device)
    return learner_turn(settings, device, naive=name == "naive")


def random_batch(random: np.random.Generator, words: int, texts: int, length: int) -> Batch:
    """Texts of exactly `length` tokens, none of them padding or another special token."""
    tokens = random.integers(min(1000, words // 2), words, (texts, length))
    labels = random.integers(0, len(LABELS), texts)
    return Batch(tokens, labels, np.arange(texts), tokens[::-1].copy(), 1.0)


def measure(settings: BenchmarkSettings, length: int) -> dict[str, Any]:
    """Seconds of every update of every contender at one length."""
    options = settings.benchmark
    device = pick_device(settings.train.use_gpu)
    names = options.contenders.split(",")
    words = read_config(settings.target.name).vocab_size
    turns = {name: make_turn(name, settings, device) for name in names}
    random = np.random.default_rng(0)
    seconds: dict[str, list[list[float]]] = {name: [] for name in names}
    for _ in range(options.rounds):
        batches = [
            random_batch(random, words, settings.train.batch_size, length)
            for _ in range(options.updates + 1)
        ]
        for name, turn in turns.items():
            seconds[name].append(turn(batches)[1:])
    return {
        "length": length,
        "texts": settings.train.batch_size,
        "seconds": seconds,
        "peak_gb": peak_memory(device) / GB,
    }


def table(results: list[dict[str, Any]]) -> str:
    """Markdown: medians over all updates, and ratios to the first contender, by round."""
    lines = [
        "| texts x tokens | | seconds an update | tokens/s | ratio (smallest to largest round) |",
        "|---|---|---|---|---|",
    ]
    for result in results:
        first, *_ = result["seconds"].values()
        for name, rounds in result["seconds"].items():
            median = statistics.median(second for turn in rounds for second in turn)
            ratios = [
                statistics.median(own) / statistics.median(other)
                for own, other in zip(rounds, first, strict=True)
            ]
            tokens = result["texts"] * result["length"] / median
            spread = f"({min(ratios):.2f} to {max(ratios):.2f})"
            lines.append(
                f"| {result['texts']} x {result['length']} | {name} | {median:.3f} | {tokens:,.0f} "
                f"| {statistics.median(ratios):.3f} {spread} |"
            )
    return "\n".join(lines)


def run(settings: BenchmarkSettings) -> int:
    options = settings.benchmark
    prepare_process(settings, options.threads or usable_cores())
    results = []
    for length in map(int, options.lengths.split(",")):
        fitting = override(settings, {"data.max_length": max(length, settings.data.max_length)})
        results.append(measure(fitting, length))
    print(table(results))
    print(f"\npeak memory {results[-1]['peak_gb']:.1f} GB, {torch.get_num_threads()} threads")
    if options.out:
        Path(options.out).write_text(json.dumps(results, indent=1), encoding="utf-8")
    return 0


def benchmark_complaints(settings: BenchmarkSettings) -> list[str]:
    """What is wrong with the settings."""
    found, options = complaints(settings), settings.benchmark
    if not settings.target.pretrained:
        found.append("target.name = transformer: give a pretrained model, by folder or hub id")
    for name in options.contenders.split(","):
        if name not in CONTENDERS:
            found.append(
                f"benchmark.contenders: {name!r} is none; there are {', '.join(CONTENDERS)}"
            )
    if not all(part.isdigit() and int(part) > 0 for part in options.lengths.split(",")):
        found.append(f"benchmark.lengths = {options.lengths}: must be numbers such as 64,256")
    for name, value in (("rounds", options.rounds), ("updates", options.updates)):
        if value < 1:
            found.append(f"benchmark.{name} = {value}: must be at least 1")
    return found


BENCHMARK = Command(
    "afa_ray.benchmark.pretrained",
    "Time updates with adversarial feedback beside plain fine-tuning.",
    BenchmarkSettings,
    benchmark_complaints,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    return run_command(BENCHMARK, run, sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())
