"""A folder of explanations in parts: a part that is done stays done, whatever ends the process.

    OUT/part-00000.parquet …          explained rows in order; a part is there when whole
    OUT/_explain.json                 what was asked for, and how many texts there are
    OUT/.texts/part-00000.parquet …   the rows of each part as they wait; removed in the end

Readers of Parquet folders (pandas, pyarrow, Spark) pass over names with `_` or `.` in front.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from afa_ray.data.streamed import Row
from afa_ray.errors import UserError
from afa_ray.json_files import read_object
from afa_ray.records.manifest import file_digest
from afa_ray.records.run_lock import LOCK
from afa_ray.whole_files import UNFINISHED, write_whole

ASKED, TEXTS, PART = "_explain.json", ".texts", "part-{:05}.parquet"
OUR_OWN = (ASKED, TEXTS, LOCK)


def asked_for(file: Path, model: str, options: dict[str, Any]) -> dict[str, Any]:
    """What must be the same when a folder is gone on with: the texts, the model and the options."""
    from afa_ray import __version__

    state = file.stat()
    files = sorted(Path(model).rglob("*.safetensors")) if Path(model).is_dir() else []
    return {
        "file": f"{file} of {state.st_size:,} bytes, changed {state.st_mtime_ns / 1e9:.6f}",
        "model": model,
        "weights": {path.name: file_digest(path) for path in files},
        **options,
        "version": __version__,
    }


def begun(folder: Path, asked: dict[str, Any]) -> bool:
    """Whether the folder holds all texts of the same question, laid out.

    Raises:
        UserError: it holds something else, or the answers to another question.
    """
    before = read_object(folder / ASKED)
    if before is None:
        others = [p.name for p in folder.iterdir() if p.name not in OUR_OWN]
        if others:
            raise UserError(
                f"out = {folder}: holds {sorted(others)[0]}, which no explain command wrote; give "
                "an empty folder, or one that is not there"
            )
        return False
    other = [name for name in asked if asked[name] != before.get(name)]
    if other:
        faults = [
            f"out = {folder}: was begun with {name} = {before.get(name)}, not {asked[name]}"
            for name in other
        ]
        raise UserError("\n".join([*faults, "give the same, or another --out"]))
    return "texts" in before


def lay_out(folder: Path, asked: dict[str, Any], rows: Iterable[Row], size: int) -> int:
    """Write the rows as parts of `size` that wait to be explained; returns how many there are.

    What an earlier attempt left unfinished is done anew.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    shutil.rmtree(folder / TEXTS, ignore_errors=True)
    write_whole(folder / ASKED, _json(asked))
    (folder / TEXTS).mkdir()
    schema = pa.schema([("row", pa.int64()), ("text", pa.string()), ("query", pa.string())])
    waiting, number, total = iter(rows), 0, 0
    while some := list(islice(waiting, size)):
        columns = [list(column) for column in zip(*some, strict=True)]
        table = pa.table(dict(zip(schema.names, columns, strict=True)), schema)
        pq.write_table(table, folder / TEXTS / PART.format(number), compression="zstd")
        number, total = number + 1, total + len(some)
    write_whole(folder / ASKED, _json({**asked, "texts": total, "parts": number}))
    return total


def waiting_parts(folder: Path) -> dict[str, int]:
    """The texts of each part that is not done; what was left unfinished of one is removed."""
    for path in folder.glob(f"{UNFINISHED}*"):
        path.unlink(missing_ok=True)
    before = read_object(folder / ASKED) or {}
    if before.get("complete"):
        return {}
    names = [PART.format(number) for number in range(before["parts"])]
    counts = {name: _rows_in(folder / TEXTS / name) for name in names}
    missing = [name for name, count in counts.items() if count is None]
    if missing:
        raise UserError(
            f"out = {folder}: {TEXTS}/{missing[0]}, which was laid out there, is gone or damaged; "
            "remove the folder, and begin anew"
        )
    return {name: count for name, count in counts.items() if count != _rows_in(folder / name)}  # type: ignore[misc]


def texts_of(part: Path) -> Iterator[Row]:
    """The rows of a part that waits."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(part) as file:
        for batch in file.iter_batches(1024):
            columns = batch.to_pydict()
            yield from map(Row, columns["row"], columns["text"], columns["query"])


def complete(folder: Path) -> None:
    """All parts are there: what waited is removed."""
    before = read_object(folder / ASKED) or {}
    write_whole(folder / ASKED, _json({**before, "complete": True}))
    shutil.rmtree(folder / TEXTS, ignore_errors=True)


def texts_in(folder: Path) -> int:
    """How many texts were laid out."""
    return int((read_object(folder / ASKED) or {})["texts"])


def _rows_in(path: Path) -> int | None:
    """The rows of a Parquet file; None where it is none, or not whole."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException):
        return None


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
