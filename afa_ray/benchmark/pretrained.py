"""`python -m afa_ray.benchmark.pretrained`: what adversarial feedback costs over fine-tuning.

An update of each contender in turn, several rounds, in one process, on random full-length texts:

- `trainer`: plain fine-tuning by `transformers.Trainer`, attention by sdpa;
- `plain`: plain fine-tuning here; `afa`: with adversarial feedback;
- `naive`: the same feedback with the row read from `output_attentions=True` and eager attention.

All change the same model, so that it must fit into memory once. An update is everything from the
batch to the changed weights: forward, backward, clipping, the optimiser.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification

from afa_ray.benchmark.options import BenchmarkSettings, benchmark_complaints, fitting
from afa_ray.benchmark.timing import Turn, median, ratio, take_turns, turn_of
from afa_ray.benchmark.trainer import trainer_turn
from afa_ray.command_line import Command, run_command
from afa_ray.config import Settings, decided
from afa_ray.data.batches import Batch
from afa_ray.dotted import override
from afa_ray.models.attention_row import IMPLEMENTATION
from afa_ray.models.interface import TargetOutput
from afa_ray.models.loading import load_pretrained, read_config
from afa_ray.models.pretrained import PretrainedTarget
from afa_ray.recipe import chosen
from afa_ray.training.dry_run import GB, peak_memory
from afa_ray.training.learner import build_learner
from afa_ray.training.making import to_device
from afa_ray.training.players import fit_for_training, make_discriminator
from afa_ray.training.process import prepare_process, usable_cores
from afa_ray.training.session import pick_device

LABELS = ["no", "yes"]


TEXTS = 10_000  # of a data set that batches are as large for as here


def make_target(settings: Settings, device: torch.device) -> PretrainedTarget:
    """The model, with adapters where the settings ask for them."""
    torch.manual_seed(0)
    name, dtype = settings.target.name, settings.target.dtype
    new: list[str] = []
    assert isinstance(settings, BenchmarkSettings)
    if settings.benchmark.random_weights:
        config = read_config(name)
        config.num_labels = len(LABELS)
        config.pad_token_id = config.pad_token_id or 0
        with device:  # billions of numbers are drawn faster there
            model = AutoModelForSequenceClassification.from_config(
                config, dtype=getattr(torch, dtype)
            )
        target = PretrainedTarget(model)
    else:
        pad_id = read_config(name).pad_token_id or 0
        target, new, _ = load_pretrained(name, label_names=LABELS, pad_id=pad_id, dtype=dtype)
    fit_for_training(settings, target, new)
    return to_device(target, device)


class NaiveTarget(nn.Module):
    """Reads the row of another Target's model as one would without knowing better: it asks for the
    weights of all layers, of texts without padding."""

    def __init__(self, target: PretrainedTarget) -> None:
        super().__init__()
        self.target = target

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> TargetOutput:
        output = self.target.model(
            input_ids=input_ids, attention_mask=attention_mask.long(), output_attentions=True
        )
        column = 0 if self.target.reading == "first" else -1
        row = output.attentions[-1][:, :, column].mean(1)
        return TargetOutput(logits=output.logits, attention_row=row)


def learner_turn(settings: Settings, target: PretrainedTarget, *, naive: bool = False) -> Turn:
    """Turns of the learner of this project, with feedback if `afa.lambda_adv` is above 0."""
    device, discriminator = target.device, None
    assert isinstance(settings, BenchmarkSettings)
    options = settings.benchmark
    if settings.afa.lambda_adv:
        words, longest = target.config.vocab_size, settings.data.max_length
        discriminator = make_discriminator(settings, target, words, len(LABELS), longest)
        to_device(discriminator, device)
    player: Any = NaiveTarget(target) if naive else target
    learner = build_learner(
        settings,
        player,
        discriminator,
        special_ids=(),
        pad_id=target.config.pad_token_id,
        mask_id=None,
        device=device,
        total_steps=options.rounds * (options.updates + 1),
    )

    timed = turn_of(learner, lambda: learner.sums.sum().item())  # all work is done

    def turn(batches: list[Batch]) -> list[float]:
        if naive or not target.eager:
            target.model.set_attn_implementation("eager" if naive else IMPLEMENTATION)
        return timed(batches)

    return turn


def make_turn(name: str, settings: Settings, target: PretrainedTarget) -> Turn:
    if name == "trainer":
        return trainer_turn(settings, target.model, target.device, lambda: _use_sdpa(target))
    if name == "plain":
        return learner_turn(override(settings, {"afa.lambda_adv": 0.0}), target)
    return learner_turn(settings, target, naive=name == "naive")


def _use_sdpa(target: PretrainedTarget) -> None:
    if not target.eager:
        target.model.set_attn_implementation("sdpa")


def random_batch(
    random: np.random.Generator, words: int, texts: int, length: int, contrast: bool
) -> Batch:
    """Texts of exactly `length` tokens, none of them padding or another special token."""
    tokens = random.integers(min(1000, words // 2), words, (texts, length))
    labels = random.integers(0, len(LABELS), texts)
    return Batch(tokens, labels, np.arange(texts), tokens[::-1].copy() if contrast else None, 1.0)


def measure(settings: BenchmarkSettings, target: PretrainedTarget, length: int) -> dict[str, Any]:
    """Seconds of every update of every contender at one length, and the most memory in use during
    its turns, which holds the optimisers of all of them."""
    options = settings.benchmark
    names = options.contenders.split(",")
    turns = {name: make_turn(name, fitting(settings, length), target) for name in names}
    random, texts = np.random.default_rng(0), decided(settings.train.batch_size)
    contrast = settings.discriminator.pairing == "contrast"

    def batches() -> list[Batch]:
        return [
            random_batch(random, target.config.vocab_size, texts, length, contrast)
            for _ in range(options.updates + 1)
        ]

    peaks = dict.fromkeys(names, 0.0)

    def noting_memory(name: str) -> Turn:
        def turn(given: list[Batch]) -> list[float]:
            if target.device.type == "cuda":  # a process's own peak only grows
                torch.cuda.reset_peak_memory_stats(target.device)
            seconds = turns[name](given)
            peaks[name] = max(peaks[name], peak_memory(target.device) / GB)
            return seconds

        return turn

    seconds = take_turns({name: noting_memory(name) for name in names}, batches, options.rounds)
    return {"length": length, "texts": texts, "seconds": seconds, "peak_gb": peaks}


def table(results: list[dict[str, Any]]) -> str:
    """Markdown: medians over all updates, and ratios to the first contender, by round."""
    lines = [
        "| texts x tokens | | seconds an update | tokens/s | ratio (smallest to largest round) |",
        "|---|---|---|---|---|",
    ]
    for result in results:
        first, *_ = result["seconds"].values()
        for name, rounds in result["seconds"].items():
            seconds = median(rounds)
            tokens = result["texts"] * result["length"] / seconds
            lines.append(
                f"| {result['texts']} x {result['length']} | {name} | {seconds:.3f} | "
                f"{tokens:,.0f} | {ratio(rounds, first)} |"
            )
    return "\n".join(lines)


def run(settings: BenchmarkSettings) -> int:
    settings, options = chosen(settings, TEXTS), settings.benchmark
    prepare_process(settings, options.threads or usable_cores())
    target = make_target(settings, pick_device(settings.train.use_gpu))
    lengths = map(int, options.lengths.split(","))
    results = [measure(settings, target, length) for length in lengths]
    print(table(results))
    where = "on a GPU" if target.device.type == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"\n{where}, peak memory {max(results[-1]['peak_gb'].values()):.1f} GB")
    if options.out:
        Path(options.out).write_text(json.dumps(results, indent=1), encoding="utf-8")
    return 0


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
