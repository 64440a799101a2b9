"""The cost of an update of the single-layer Target, beside what people write and use.

- `textbook`: plain training of a textbook single-layer classifier;
- `trainer`: plain training of a one-layer BERT of the same size by `transformers.Trainer`;
- `textbook-afa`: adversarial feedback in textbook form;
- `plain`, `afa`: plain training here, and with adversarial feedback;
- `explainable`: with the settings of that preset.

An update is everything from the batch to the changed weights.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification

from afa_ray.benchmark.options import SpeedSettings, fitting, size_of
from afa_ray.benchmark.peers import PlainTraining, TextbookAfa, TextbookClassifier
from afa_ray.benchmark.timing import Rounds, Turn, median, ratio, take_turns, turn_of
from afa_ray.benchmark.trainer import trainer_turn
from afa_ray.command_line import read_config
from afa_ray.config import Settings
from afa_ray.data.batches import Batch
from afa_ray.data.corpus import prepare_corpus
from afa_ray.data.packed import PackedTexts
from afa_ray.dotted import S, override
from afa_ray.errors import UserError
from afa_ray.models import Discriminator, DiscriminatorConfig, Target, TargetConfig
from afa_ray.models.updating import Wrap
from afa_ray.training.learner import Learner, build_learner
from afa_ray.training.making import to_device
from afa_ray.training.memory import parameter_memory
from afa_ray.training.session import pick_device

CPU = torch.device("cpu")
CLASSES = 2
PAD, SOS, EOS, SPECIAL = 0, 2, 3, 5  # ids below SPECIAL are never masked
SAMPLE = 60  # texts of the mixed batches
EXPLAINABLE = Path(__file__).parents[1] / "configs" / "explainable.yaml"
BARS = {  # contender, its peer, and the ratio that is wanted, by size
    ("afa", "textbook"): {"64x16": 0.5, "64x64": 0.12, "32x256": 0.04},
    ("afa", "textbook-afa"): {"32x256": 0.02},
    ("afa", "plain"): {"64x16": 2.5, "64x64": 2.5, "32x256": 2.5, "16x512": 2.5, "imdb": 2.5},
}
PEERS = ("textbook", "trainer", "textbook-afa", "plain")
RATIOS = [*(("afa", peer) for peer in PEERS), ("explainable", "textbook")]


def contenders(names: list[str], settings: Settings) -> dict[str, Turn]:
    """Fresh models, one set for each contender, on the device of the settings."""
    device = pick_device(settings.train.use_gpu)
    return {name: _contender(name, settings, device) for name in names}


def _contender(name: str, settings: Settings, device: torch.device) -> Turn:
    torch.manual_seed(0)
    words, length = settings.data.vocab_size, settings.data.max_length
    hidden, heads = settings.target.hidden_size, settings.target.heads
    if name == "trainer":
        config = BertConfig(
            vocab_size=words,
            hidden_size=hidden,
            num_hidden_layers=1,
            num_attention_heads=heads,
            intermediate_size=4 * hidden,
            max_position_embeddings=length,
            hidden_dropout_prob=settings.target.dropout,
            attention_probs_dropout_prob=settings.target.dropout,
            pad_token_id=PAD,
        )
        config.num_labels = CLASSES
        return trainer_turn(
            settings, to_device(BertForSequenceClassification(config), device), device
        )
    if name.startswith("textbook"):
        target = TextbookClassifier(words, length, hidden, heads, CLASSES).to(device)
        if name == "textbook":
            return turn_of(PlainTraining(target, settings.train.precision), finish(device))
        judge = TextbookClassifier(words, length, hidden, heads, 1).to(device)
        return turn_of(TextbookAfa(target, judge, settings.afa), finish(device))
    if name == "plain":
        settings = override(settings, {"afa.lambda_adv": 0.0})
    if name == "explainable":
        settings = explainable(settings)
    return turn_of(make_learner(settings, device), finish(device))


def explainable(settings: S) -> S:
    """The settings with those of the preset."""
    faults: list[str] = []
    settings = override(settings, dict(read_config(str(EXPLAINABLE), faults)))
    assert not faults, faults
    return settings


def finish(device: torch.device) -> Callable[[], object]:
    """What waits for a device's work to be done."""
    return torch.cuda.synchronize if device.type == "cuda" else lambda: None


def make_learner(
    settings: Settings,
    device: torch.device = CPU,
    wrap: Wrap = lambda module: module,
    **worker: Any,
) -> Learner:
    """The learner that trains, with players of the settings' sizes and random words.

    Args:
        worker: `rank` and `add_up` of one of several, see `Learner`.
    """
    sizes: dict[str, Any] = {
        "vocab_size": settings.data.vocab_size,
        "hidden_size": settings.target.hidden_size,
        "num_attention_heads": settings.target.heads,
        "dropout": settings.target.dropout,
        "max_position_embeddings": settings.data.max_length,
    }
    torch.manual_seed(0)
    target = Target(TargetConfig(**sizes, hops=settings.target.hops, num_labels=CLASSES))
    discriminator = None
    if settings.afa.lambda_adv and settings.discriminator.judge == "trained":
        classes = CLASSES * (settings.discriminator.pairing == "contrast")
        discriminator = Discriminator(DiscriminatorConfig(**sizes, num_classes=classes))
        to_device(discriminator, device)
    return build_learner(
        settings,
        to_device(target, device),
        discriminator,
        special_ids=tuple(range(SPECIAL)),
        pad_id=PAD,
        mask_id=SPECIAL - 1,
        device=device,
        total_steps=10_000,
        wrap=wrap,
        **worker,
    )


def gradient_bytes(learner: Learner) -> int:
    """Bytes of both players' gradients, dense."""
    return sum(int(parameter_memory(player).gradients) for player in learner.players.values())


def random_batches(settings: Settings, size: str, seed: int, number: int) -> list[Batch]:
    """Batches of full-length texts, which all end alike, of words that are drawn evenly."""
    random = np.random.default_rng(seed)
    texts, length = size_of(size)
    batches = []
    for _ in range(number):
        tokens = random.integers(SPECIAL, settings.data.vocab_size, (texts, length))
        tokens[:, 0], tokens[:, -1] = SOS, EOS
        labels = random.integers(0, CLASSES, texts)
        batches.append(_batch(settings, tokens, labels, np.arange(texts)))
    return batches


def mixed_batches(settings: Settings, texts: PackedTexts, seed: int, number: int) -> list[Batch]:
    """Batches of `SAMPLE` real texts of all lengths, padded to the longest."""
    examples = np.random.default_rng(seed).choice(len(texts), (number, SAMPLE), replace=False)
    longest = examples.flatten()[texts.lengths[examples.flatten()].argmax()]
    rows = [texts.padded(np.append(part, longest), PAD)[:-1] for part in examples]
    return [
        _batch(settings, tokens, texts.labels[numbers], numbers)
        for tokens, numbers in zip(rows, examples, strict=True)
    ]


def _batch(
    settings: Settings, tokens: np.ndarray, labels: np.ndarray, examples: np.ndarray
) -> Batch:
    contrast = settings.discriminator.pairing == "contrast"
    return Batch(tokens, labels, examples, tokens[::-1].copy() if contrast else None, 1.0)


def measure(settings: SpeedSettings) -> list[dict[str, Any]]:
    """Seconds of every update of every contender, by size and number of threads."""
    options = settings.benchmark
    results = []
    for threads in map(int, options.threads.split(",")):
        torch.set_num_threads(threads)
        for size in options.sizes.split(","):
            try:
                seconds = time_size(settings, size, options.contenders.split(","))
            except UserError as error:
                print(f"not timed: {size}: {error}", flush=True)
                continue
            results.append({"size": size, "threads": threads, "seconds": seconds})
    return results


def time_size(settings: SpeedSettings, size: str, names: list[str]) -> Rounds:
    """Turns of the contenders at texts x tokens, or on texts of `imdb`."""
    options, seeds = settings.benchmark, count()  # other texts in each round
    if size != "imdb":
        settings = fitting(settings, size_of(size)[1])
        return take_turns(
            contenders(names, settings),
            lambda: random_batches(settings, size, next(seeds), options.updates + 1),
            options.rounds,
        )
    corpus = prepare_corpus(override(settings, {"data.name": "imdb", "target.word2vec": False}))
    settings = override(settings, {"data.vocab_size": len(corpus.tokenizer)})
    return take_turns(
        contenders([name for name in names if name != "textbook-afa"], settings),  # takes minutes
        lambda: mixed_batches(settings, corpus.train, next(seeds), options.updates + 1),
        options.rounds,
    )


def bar_of(contender: str, peer: str, size: str) -> float | None:
    return BARS.get((contender, peer), {}).get(size)


def table(results: list[dict[str, Any]]) -> str:
    """Markdown: milliseconds an update, and `RATIOS` of those that were timed."""
    names = list(dict.fromkeys(name for result in results for name in result["seconds"]))
    pairs = [pair for pair in RATIOS if {*pair} <= {*names}]
    head = [
        "threads",
        "texts x tokens",
        *(f"{n} (ms)" for n in names),
        *(f"{ours} / {peer}" for ours, peer in pairs),
    ]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for result in results:
        seconds = result["seconds"]
        cells = [str(result["threads"]), result["size"]]
        cells += [f"{1e3 * median(seconds[n]):,.1f}" if n in seconds else "–" for n in names]
        cells += [_against(seconds, *pair, result["size"]) for pair in pairs]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _against(seconds: Rounds, ours: str, peer: str, size: str) -> str:
    if not {ours, peer} <= seconds.keys():
        return "–"
    bar = bar_of(ours, peer, size)
    found = ratio(seconds[ours], seconds[peer])
    wanted = "" if bar is None else f", bar {bar}" + ("" if found.median <= bar else " missed")
    return f"{found}{wanted}"
