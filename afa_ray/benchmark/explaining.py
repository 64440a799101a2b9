"""`python -m afa_ray.benchmark.explaining MODEL FILE COLUMN`: what an explanation costs.

Rows a second of the attention method, words joined and rows written as JSON, over those of a
`transformers` pipeline that only predicts, on the same texts in batches of the same size. The two
take turns in one process, and a ratio is formed within each round.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from afa_ray.benchmark.timing import Ratio
from afa_ray.classifier import Classifier, load
from afa_ray.data.streamed import stream_columns

ROWS, BATCH, ROUNDS = 512, 32, 5


def main(arguments: list[str]) -> None:
    model, file, column = arguments
    texts = list(islice((t for (t,) in stream_columns(Path(file), [column]) if t.strip()), ROWS))
    print(json.dumps(compare(load(model), texts)))


def compare(
    classifier: Classifier, texts: list[str], batch: int = BATCH, rounds: int = ROUNDS
) -> dict[str, Any]:
    """Rows a second of both, the median over rounds, and the ratio within rounds."""
    from transformers import AutoModelForSequenceClassification, pipeline

    folder = classifier.model.config._name_or_path
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()  # a copy of its own
    model.config.pad_token_id = classifier.model.config.pad_token_id
    predict = pipeline(
        "text-classification", model=model, tokenizer=classifier.tokenizer, device=classifier.device
    )

    def pipeline_alone() -> object:
        return predict(texts, batch_size=batch, truncation=True, max_length=classifier.max_length)

    def explain() -> object:
        found = classifier.explain(texts, batch_size=batch)
        return [json.dumps(each.to_dict()) for each in found]

    seconds = [(_seconds(pipeline_alone), _seconds(explain)) for _ in range(1 + rounds)][1:]
    ratios = sorted(alone / with_attention for alone, with_attention in seconds)
    return {
        "rows": len(texts),
        "batch": batch,
        "pipeline_rows_per_s": len(texts) / statistics.median(s[0] for s in seconds),
        "explain_rows_per_s": len(texts) / statistics.median(s[1] for s in seconds),
        "ratio": Ratio(statistics.median(ratios), ratios[0], ratios[-1])._asdict(),
    }


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main(sys.argv[1:])
