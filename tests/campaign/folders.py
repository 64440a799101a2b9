"""Folders of runs and of models in which something was damaged: read as far as they are whole."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from afa_ray import track
from afa_ray.config import Settings
from afa_ray.console import render
from afa_ray.data.tokenizer import load_tokenizer
from afa_ray.dotted import override
from afa_ray.models.loading import load_pretrained
from afa_ray.records.mlflow_about import datasets_of, tags_of
from afa_ray.records.mlflow_opening import _memory
from afa_ray.records.mlflow_run import MlflowRun, _metrics
from afa_ray.records.run_folder import read_fingerprints
from afa_ray.records.tracking import Tracker, read_records
from afa_ray.training.players import check_target
from tests.campaign.rules import refused
from tests.conftest import small_texts
from tests.families import save_tiny
from tests.tokenizers import word_pieces
from tests.tracking.helpers import make_run

ODD = ["", "{}", "[1]", "3", "null", "{", "[" * 5000, "\x00", '{"a": 1}', "1: 2", "9" * 5000]
DAMAGE = st.one_of(
    st.tuples(st.just("flip"), st.integers(0, 10**6), st.integers(1, 255)),
    st.tuples(st.just("cut"), st.integers(0, 10**6), st.just(0)),
    st.tuples(st.just("write"), st.integers(0, len(ODD) - 1), st.just(0)),
    st.tuples(st.just("insert"), st.integers(0, 10**6), st.integers(0, len(ODD) - 1)),
    st.tuples(st.sampled_from(["delete", "folder", "double"]), st.just(0), st.just(0)),
)
CASE = st.lists(st.tuples(st.integers(0, 100), DAMAGE), min_size=1, max_size=3)


def damage(file: Path, what: tuple[str, int, int]) -> None:
    """Do one thing to a file that is there."""
    kind, place, value = what
    content = bytearray(file.read_bytes())
    place = place % max(1, len(content)) if kind != "write" else place
    if kind == "flip" and content:
        content[place] ^= value
    elif kind == "cut":
        del content[place:]
    elif kind == "write":
        content = bytearray(ODD[place].encode())
    elif kind == "insert":
        content[place:place] = ODD[value].encode()
    elif kind == "double":
        content = content * 2
    else:
        file.unlink()
        return file.mkdir() if kind == "folder" else None
    file.write_bytes(content)


def damage_some(folder: Path, case: list[tuple[int, tuple[str, int, int]]]) -> None:
    for number, what in case:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        if files:
            damage(files[number % len(files)], what)


class Nowhere(MlflowRun):
    """Takes what a server would, and forgets it."""

    def add_missing(self, records: Any) -> int:
        return sum(len(_metrics(record)) for record in records)

    def log_changed(self, figures: Mapping[str, float], step: int) -> None:
        _metrics({"step": step, **figures})

    def status(self) -> str:
        return "FAILED"

    def close(self, *_: object) -> None:
        pass


def run_folder(case: list[tuple[int, tuple[str, int, int]]]) -> bool:
    """All that reads a run's folder reads a damaged one, and the next records can be written."""
    with tempfile.TemporaryDirectory() as place:
        run = make_run(Path(place) / "run")
        prints = {"files": {}, "corpus": {"train": {"sha256": "a" * 64, "count": 3}}}
        (run / "fingerprints.json").write_text(json.dumps(prints))
        (run / "mlflow.json").write_text(json.dumps({"http://h": {"run_id": "1"}}))
        (run / "samples.jsonl").write_text('{"step": 10, "epoch": 1, "tokens": ["a"]}\n')
        damage_some(run, case)
        readers: list[Callable[[], object]] = [
            lambda: track.upload_run(run, Nowhere("http://h", "0", "1"), say=lambda _: None),
            lambda: track._settings(run),
            lambda: read_fingerprints(run),
            lambda: (tags_of({}, run), datasets_of({"data.name": "d"}, run), _memory(run)),
            lambda: [render(r, 30) for r in read_records(run).records if r["kind"] == "note"],
            lambda: Tracker(run, 20, None, {"metrics.jsonl": 9}).log("train", 30, 1, {"a": 1.0}),
        ]
        return any([refused(reader) for reader in readers])


@cache
def _model() -> tempfile.TemporaryDirectory:
    """A tiny classifier with its tokenizer, until this process ends."""
    folder = tempfile.TemporaryDirectory(prefix="afa-campaign-")
    save_tiny("bert", Path(folder.name), word_pieces(small_texts(80, 0).texts))
    return folder


def model_folder(case: list[tuple[int, tuple[str, int, int]]]) -> bool:
    """A pretrained model's folder, as `target.name`."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        shutil.copytree(_model().name, folder)
        damage_some(folder, case)
        name = str(folder)

        def work() -> None:
            check_target(override(Settings(), {"target.name": name}))
            tokenizer = load_tokenizer(name)
            load_pretrained(name, label_names=["a", "b"], pad_id=tokenizer.pad_token_id)

        return refused(work)


PARTS = {"run folders": (CASE, run_folder), "model folders": (CASE, model_folder)}
