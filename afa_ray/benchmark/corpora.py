"""`python -m afa_ray.benchmark.corpora ROWS ...`: what preparing a large Parquet file takes.

For every number of rows a corpus is generated, batch by batch, into a temporary folder, and
prepared in a process of its own; a line of JSON is printed. Memory is what the process reached over
what one that has only imported the same modules has.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from afa_ray.config import Settings
from afa_ray.data.corpus import prepare_corpus
from afa_ray.data.packed import PackedTexts
from afa_ray.dotted import override

VOCABULARY = 50_000  # made-up words
PLANTED = 200  # of them belong to a class: the first half to 0, the second to 1
LENGTHS = (20, 40)  # words of a text
BATCH_ROWS = 50_000
SYLLABLES = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]


def prepare_rows(rows: int) -> dict[str, Any]:
    """What preparing a generated corpus of `rows` texts takes."""
    with tempfile.TemporaryDirectory(prefix="afa_corpus_") as folder:
        path = Path(folder) / "corpus.parquet"
        return generate_parquet(path, rows) | measure_preparation(path)


def generate_parquet(path: Path, rows: int, seed: int = 0) -> dict[str, Any]:
    """Write `rows` texts, `text` and `label` (0 or 1), without ever holding more than a batch.

    A text is 20 to 40 words: one planted word of its class at a random place, the others drawn by
    Zipf's law (probability proportional to 1 / rank). The same arguments give the same texts.

    Returns rows, file_bytes, text_bytes (UTF-8).
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    schema = pa.schema({"text": pa.string(), "label": pa.int64()})
    words, text_bytes = pa.array(_vocabulary()), 0
    with pq.ParquetWriter(path, schema) as file:
        for labels, offsets, numbers in _batches(rows, np.random.default_rng(seed)):
            lists = pa.ListArray.from_arrays(pa.array(offsets), words.take(pa.array(numbers)))
            texts = pc.binary_join(lists, " ")
            text_bytes += pc.sum(pc.binary_length(texts)).as_py()
            file.write_batch(pa.record_batch([texts, pa.array(labels)], schema=schema))
    return {"rows": rows, "file_bytes": path.stat().st_size, "text_bytes": text_bytes}


def _vocabulary() -> list[str]:
    """VOCABULARY different words, the short ones first: `ba` … `zuzuzu`."""
    base = len(SYLLABLES)
    pairs = [first + second for first in SYLLABLES for second in SYLLABLES]
    longer = (SYLLABLES[i // base**2] + pairs[i % base**2] for i in range(VOCABULARY))
    return [*SYLLABLES, *pairs, *longer][:VOCABULARY]


def _batches(
    rows: int, random: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Labels (B,), offsets (B + 1,) int32, and the numbers of all words (offsets[-1],)."""
    cumulative = np.cumsum(1 / np.arange(1, VOCABULARY - PLANTED + 1))
    for start in range(0, rows, BATCH_ROWS):
        count = min(BATCH_ROWS, rows - start)
        labels = random.integers(0, 2, count)
        lengths = random.integers(LENGTHS[0], LENGTHS[1] + 1, count)
        offsets = np.concatenate([[0], lengths.cumsum()]).astype(np.int32)
        drawn = random.random(offsets[-1]) * cumulative[-1]
        numbers = PLANTED + np.searchsorted(cumulative, drawn)
        places = offsets[:-1] + random.integers(0, lengths)
        numbers[places] = (labels * PLANTED + random.integers(0, PLANTED, count)) // 2
        yield labels, offsets, numbers


def measure_preparation(path: Path) -> dict[str, Any]:
    """Prepare the corpus in the file, in a new process, and say what that took.

    Returns rows, packed_bytes (of tokens, offsets and labels), seconds, cpu_seconds (of
    all threads), rows_per_second, memory_bytes (at the peak, over base_bytes) and base_bytes.
    """
    return in_a_new_process(_prepare, str(path))


def in_a_new_process(function: Any, *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def _prepare(path: str) -> dict[str, Any]:
    base = peak_memory()
    values = {"data.name": "generated", "data.train_file": path, "target.word2vec": False}
    started, started_cpu = time.perf_counter(), time.process_time()
    corpus = prepare_corpus(override(Settings(), values))
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - started_cpu
    splits = (corpus.train, corpus.validation, corpus.test)
    rows = sum(map(len, splits))
    return {
        "rows": rows,
        "packed_bytes": sum(map(packed_bytes, splits)),
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "rows_per_second": rows / seconds,
        "memory_bytes": peak_memory() - base,
        "base_bytes": base,
    }


def packed_bytes(packed: PackedTexts) -> int:
    """Bytes of all arrays of a split."""
    return sum(value.nbytes for value in vars(packed).values() if isinstance(value, np.ndarray))


def peak_memory() -> int:
    """Most bytes that this process has had in memory so far.

    The peak in `getrusage` would begin with that of the process that started this one.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def main(arguments: list[str]) -> int:
    """Measure corpora of as many rows as the arguments say."""
    for rows in map(int, arguments):
        print(json.dumps(prepare_rows(rows)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
