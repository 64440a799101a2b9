"""Peak memory against the length of texts, and against the size of a corpus."""

from __future__ import annotations

from typing import Any

from afa_ray.benchmark.corpora import in_a_new_process, peak_memory, prepare_rows
from afa_ray.benchmark.options import SpeedSettings, fitting
from afa_ray.benchmark.peers import PlainTraining, TextbookClassifier
from afa_ray.benchmark.step import CLASSES, make_learner, random_batches
from afa_ray.benchmark.timing import Updates, turn_of
from afa_ray.config import Settings
from afa_ray.training.process import prepare_process

TEXTS = 8  # of an update


def measure(settings: SpeedSettings) -> dict[str, Any]:
    """Bytes by length, of training here and in textbook form, and what corpora take."""
    options = settings.benchmark
    lengths = [int(length) for length in options.lengths.split(",")]
    return {
        "texts": TEXTS,
        "by_length": {
            name: {n: in_a_new_process(_train, settings, n, name == "textbook") for n in lengths}
            for name in ("afa", "textbook")
        },
        "corpora": [prepare_rows(int(rows)) for rows in options.rows.split(",")],
    }


def _train(settings: Settings, length: int, textbook: bool) -> int:
    """Bytes over those of an idle process at the peak of three updates at one length."""
    prepare_process(settings, 1)
    settings = fitting(settings, length)
    batches = random_batches(settings, f"{TEXTS}x{length}", 0, 3)
    base = peak_memory()
    turn_of(_textbook(settings) if textbook else make_learner(settings))(batches)
    return peak_memory() - base


def _textbook(settings: Settings) -> Updates:
    target = settings.target
    sizes = (settings.data.vocab_size, settings.data.max_length, target.hidden_size, target.heads)
    return PlainTraining(TextbookClassifier(*sizes, CLASSES))


def table(found: dict[str, Any]) -> str:
    """Markdown."""
    lengths = list(found["by_length"]["afa"])
    lines = [
        f"| MB at the peak, {found['texts']} texts of | {' | '.join(map(str, lengths))} tokens |",
        "|---" * (1 + len(lengths)) + "|",
    ]
    for name, row in found["by_length"].items():
        lines.append(f"| {name} | " + " | ".join(f"{row[n] / 1e6:,.0f}" for n in lengths) + " |")
    lines += [
        "",
        "| rows | file (MB) | packed (MB) | peak (MB) | rows/s |",
        "|---|---|---|---|---|",
    ]
    for corpus in found["corpora"]:
        megabytes = [corpus[n] / 1e6 for n in ("file_bytes", "packed_bytes", "memory_bytes")]
        cells = [f"{corpus['rows']:,}", *(f"{x:,.0f}" for x in megabytes)]
        lines.append(f"| {' | '.join(cells)} | {corpus['rows_per_second']:,.0f} |")
    return "\n".join(lines)
