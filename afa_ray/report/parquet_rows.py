"""Explanations as rows of a Parquet file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

GROUP = 4096  # rows that are in memory before they are written


@contextmanager
def parquet_rows(
    path: Path, texts: Sequence[str], methods: Sequence[str]
) -> Iterator[Callable[[int, Mapping[str, Any]], None]]:
    """A row a text: its number, `texts` (it, and its query), class with its probability, words; a
    list of weights, one a word, in each method's column, null where the method gave none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [
            ("row", pa.int64()),
            *((name, pa.string()) for name in texts),
            ("label", pa.string()),
            ("probability", pa.float64()),
            ("target", pa.string()),
            ("characters_read", pa.int64()),
            ("words", pa.list_(pa.string())),
            *((method, pa.list_(pa.float32())) for method in methods),
        ]
    )
    waiting: list[dict[str, Any]] = []
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:

        def flush() -> None:
            writer.write_table(pa.Table.from_pylist(waiting, schema))
            waiting.clear()

        def write(row: int, explained: Mapping[str, Any]) -> None:
            cut = explained["cut"]
            waiting.append(
                {
                    "row": row,
                    **{name: explained[name] for name in (*texts, "label", "target", "words")},
                    "probability": explained["probability"],
                    "characters_read": len(explained["text"]) if cut is None else cut,
                    **{method: explained["scores"].get(method) for method in methods},
                }
            )
            if len(waiting) == GROUP:
                flush()

        yield write
        if waiting:
            flush()
