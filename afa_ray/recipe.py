"""How long, how fast and in which portions to train: what is left to the number of texts.

Counted in updates, not in passes: a few hundred texts are a handful of updates an epoch, and an
epoch more or less is nothing there. The figures are those that did best on validation texts of
files of 200 to 5,000 rows (studies/small_files).
"""

from __future__ import annotations

from typing import Any

from afa_ray.config import ENCODERS, TrainSettings
from afa_ray.data.batches import batch_count
from afa_ray.dotted import S, flatten, override

CHOSEN = tuple(
    f"train.{name}"
    for name in (
        "epochs",
        "batch_size",
        "target_lr",
        "warmup_steps",
        "average",
        "margin",
        "patience",
    )
)


def chosen(settings: S, texts: int) -> S:
    """The settings with all that was left to the data filled in, for this many training texts."""
    train, pretrained = settings.train, settings.target.pretrained
    batch_size = train.batch_size or max(_batch_size(texts, pretrained), _least_batch(train))
    updates = batch_count(texts, batch_size)  # an epoch
    encoder = settings.target.name in ENCODERS
    least = (2, 150) if pretrained else (8 if encoder else 12, 600)
    epochs = train.epochs or at_least(*least, updates)
    total = min(updates * epochs, train.max_steps or updates * epochs)
    values: dict[str, Any] = {
        "epochs": epochs,
        "batch_size": batch_size,
        "target_lr": 5e-5 if pretrained else 1e-3 if encoder else 5e-4,
        "warmup_steps": total // 10 if pretrained else 0,
        "average": 0 if pretrained else 100,
        "margin": 0.0 if pretrained else 0.5,
        "patience": 0 if pretrained or encoder else at_least(2, 200, updates),
    }
    given = flatten(settings)
    return override(
        settings, {n: values[n.removeprefix("train.")] for n in CHOSEN if given[n] is None}
    )


def describe(asked: S, settings: S) -> str:
    """What was chosen, in a line; empty where all was given."""
    before, after = flatten(asked), flatten(settings)
    return ", ".join(f"{name} {after[name]}" for name in CHOSEN if before[name] is None)


def at_least(epochs: int, steps: int, updates: int) -> int:
    """So many epochs, of so many updates each, that they hold both `epochs` and `steps`."""
    return max(epochs, -(-steps // updates))


def _batch_size(texts: int, pretrained: bool) -> int:
    if texts < 2_000:
        return 16
    return 32 if pretrained or texts < 10_000 else 64


def _least_batch(train: TrainSettings) -> int:
    """Two texts for every part that a worker reads."""
    return 2 * max(1, train.workers[1]) * train.accumulation_steps
