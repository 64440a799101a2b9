"""A run knows its data: digests of its files, of its texts as packed, and of its vocabulary.

They are written when a run begins, into `fingerprints.json` beside `config.yaml` and into every
checkpoint. Whoever goes on with the run, or asks for it again, is told what has changed since.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from afa_ray.config import DATA_FILES, Settings
from afa_ray.data.corpus import Corpus
from afa_ray.data.packed import PackedTexts
from afa_ray.data.places import find_place
from afa_ray.data.sources import GENERATED_NAMES
from afa_ray.dotted import flatten
from afa_ray.errors import UserError
from afa_ray.records.checkpoint import read_fingerprints_of
from afa_ray.records.manifest import file_digest, latest_checkpoint, tidy
from afa_ray.records.run_folder import (
    FINGERPRINTS,
    MAY_CHANGE,
    SPLITS,
    begin,
    has_ended,
    read_fingerprints,
    read_settings,
    require_same_settings,
)
from afa_ray.whole_files import write_whole

FILES = (*(f"data.{field}" for field in DATA_FILES), "target.vectors")  # settings that name one
SHOWN = 12  # hexadecimal digits of a digest in a message


def files_of(settings: Settings) -> dict[str, Path]:
    """The files that a run reads: by setting, or by name in the local folder of a public set."""
    values, data = flatten(settings), settings.data
    files = {name: Path(values[name]) for name in FILES if values.get(name)}
    if data.train_file is None and data.name not in GENERATED_NAMES:
        folder = find_place(data.name, data.dir).folder
        found = sorted(folder.glob("*.parquet")) if folder else []
        files |= {f"{data.name}/{file.name}": file for file in found}
    return files


def file_fingerprints(settings: Settings) -> dict[str, Any]:
    """`{what: {"sha256", "count"}}` of the files that are there; counted are their bytes."""
    return {name: _of_file(path) for name, path in files_of(settings).items() if path.is_file()}


def corpus_fingerprints(corpus: Corpus) -> dict[str, Any]:
    """`{what: {"sha256", "count"}}` of the splits as packed, of the classes and the vocabulary."""
    vocabulary = sorted(corpus.tokenizer.get_vocab().items(), key=lambda item: item[1])
    return {
        **{split: _of_texts(getattr(corpus, split)) for split in SPLITS},
        "classes": _of_list(corpus.label_names),
        "vocabulary": _of_list(vocabulary),
    }


def begin_run(
    settings: Settings, run: Path, corpus: Corpus, files: Mapping[str, Any] | None = None
) -> None:
    """Make the run's folder, with its settings and fingerprints, or check that it is this run's.

    Args:
        files: fingerprints of its files, where these can be read here.

    Raises:
        UserError: the texts, classes or words are not those that the run was begun with.
    """
    now = corpus_fingerprints(corpus)
    checkpoint = None if has_ended(run) else latest_checkpoint(run)
    _require_same_corpus(now, read_fingerprints(run), run.name)
    if checkpoint is not None:
        _require_same_corpus(now, read_fingerprints_of(checkpoint), run.name)
    begin(settings, run)
    tidy(run)
    if not (run / FINGERPRINTS).exists():
        content = {"files": dict(files or {}), "corpus": now}
        write_whole(run / FINGERPRINTS, json.dumps(content, indent=1, ensure_ascii=False))


def require_same_corpus(corpus: Corpus, run: Path) -> None:
    """The texts, classes and words must be those that a run was begun with.

    Raises:
        UserError: with a sentence for everything that differs.
    """
    _require_same_corpus(corpus_fingerprints(corpus), read_fingerprints(run), run.name)


def require_same_run(
    settings: Settings, run: Path, may_change: Collection[str] = ()
) -> dict[str, Any]:
    """A run that is there must have been begun with these settings and files.

    A file may lie elsewhere now, and one that is gone is not compared.

    Args:
        may_change: settings that may differ, besides those of every run.

    Returns:
        The fingerprints of the files.

    Raises:
        UserError: with a sentence for everything that differs.
    """
    now, before = file_fingerprints(settings), read_fingerprints(run).get("files", {})
    same = {name for name in before.keys() & now.keys() if before[name] == now[name]}
    require_same_settings(settings, run, {*MAY_CHANGE, *may_change, *_moved(settings, run, same)})
    places = files_of(settings)
    faults = [
        f"{name} = {places[name]}: not the file that run {run.name} was started with: "
        f"{_shown(before[name], ' bytes')} then, {_shown(now[name], ' bytes')} now; give the file "
        "as it was, or another run.name"
        for name in sorted((before.keys() & now.keys()) - same)
    ]
    if faults:
        raise UserError("\n".join(faults))
    return now


def _moved(settings: Settings, run: Path, same: Collection[str]) -> set[str]:
    """The settings among `same`, files with the same content, that may name another place.

    How a file is read depends on the end of its name.
    """
    if not same:
        return set()
    values, before = flatten(settings), read_settings(run)
    return {
        name
        for name in FILES
        if name in same and Path(values[name]).suffix == Path(before[name]).suffix
    }


def _require_same_corpus(now: Mapping[str, Any], before: Mapping[str, Any], name: str) -> None:
    was = before.get("corpus", {})
    faults = [
        f"the {_called(what)} are not those that run {name} was started with: {_shown(was[what])} "
        f"then, {_shown(now[what])} now; give the data as they were, or another run.name"
        for what in now
        if what in was and was[what] != now[what]
    ]
    if faults:
        raise UserError("\n".join(faults))


def _called(what: str) -> str:
    named = {"vocabulary": "words of the vocabulary", "train": "training texts"}
    return named.get(what, f"{what} texts" if what in SPLITS else what)


def _shown(one: Mapping[str, Any], unit: str = "") -> str:
    return f"{one['count']:,}{unit} (sha256 {one['sha256'][:SHOWN]}…)"


def _of_file(path: Path) -> dict[str, Any]:
    return {"sha256": file_digest(path), "count": path.stat().st_size}


def _of_texts(texts: PackedTexts) -> dict[str, Any]:
    digest = hashlib.sha256()
    known = [texts.human] if texts.human is not None else []
    for array in (texts.tokens, texts.offsets, texts.labels, texts.marks, texts.units, *known):
        digest.update(b"none" if array is None else np.ascontiguousarray(array).data)
    if texts.queries is not None:
        digest.update(_of_texts(texts.queries)["sha256"].encode())
    return {"sha256": digest.hexdigest(), "count": len(texts)}


def _of_list(items: list[Any]) -> dict[str, Any]:
    content = json.dumps(items, ensure_ascii=True).encode()
    return {"sha256": hashlib.sha256(content).hexdigest(), "count": len(items)}
