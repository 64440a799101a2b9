"""What a run leaves behind while it trains: `metrics.jsonl`, `samples.jsonl` and MLflow.

Only rank 0 tracks. A resumed run continues the files from its checkpoint: records of steps that are
trained again are dropped first, so that no step is counted twice.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from afa_ray.json_files import Lines, as_json, read_lines
from afa_ray.records.mlflow_client import UnreachableError
from afa_ray.records.mlflow_opening import upload_hint
from afa_ray.records.mlflow_run import MlflowRun
from afa_ray.whole_files import write_whole

METRICS, SAMPLES = "metrics.jsonl", "samples.jsonl"
WATCHED = ("train/reward_spread", "train/d_accuracy")
UNTRACKED = ".untracked"  # there while a complete run's last figures and files are not at MLflow
UNDERWAY = ".progress"  # the last line on what takes long, while it does


class Tracker:
    """Appends records, `{"kind", "step", "epoch", "at", …}`, and hands their figures on to MLflow.

    `at` is when a record was written, in seconds since 1970.

    Args:
        run: the run's folder.
        step: the step that training (re)starts from.
        mlflow: the run at the tracking server, or None.
        written: how many records each file had at that step.

    Attributes:
        written: how many records, notes not counted, each file has now.
        lost: a sentence for each file that has fewer than it had.

    Raises:
        DamagedError: one of the files cannot be read.
    """

    def __init__(
        self,
        run: Path,
        step: int,
        mlflow: MlflowRun | None,
        written: Mapping[str, int] | None = None,
    ) -> None:
        self.run, had = run, written or {}
        self._mlflow = mlflow
        self._uploaded = {"train": -1, "epoch": -1}  # last steps at the server, by kind
        self.written = {name: keep_up_to(run / name, step) for name in KINDS}
        self.lost = [
            f"{run / name} has lost {had[name] - count} of {had[name]} records, which were "
            "damaged or removed; training does not need them"
            for name, count in self.written.items()
            if count < had.get(name, 0)
        ]
        if mlflow is not None:
            with self._unless_unreachable(step, 0):
                mlflow.add_missing(figure_records(run))  # of a time when the server was away
                self._uploaded = {
                    "train": mlflow.last_step("train/loss"),
                    "epoch": mlflow.last_step("val/accuracy"),
                }

    def log(self, kind: str, step: int, epoch: int, figures: dict[str, float]) -> None:
        """Record figures of `kind` train (an interval) or epoch."""
        about = {"kind": kind, "step": step, "epoch": epoch, "at": round(time.time(), 3)}
        self._append(METRICS, {**about, **figures})
        if self._mlflow is not None and step > self._uploaded[kind]:
            with self._unless_unreachable(step, epoch):
                self._mlflow.log_metrics(figures, step)

    def expect(self) -> None:
        """Before a run's result is written: its figures and files are to be handed on, too, even
        if this process does not come to it."""
        if self._mlflow is not None:
            (self.run / UNTRACKED).touch()

    def finish(self, step: int, epoch: int, figures: dict[str, float]) -> None:
        """Hand the run's final figures and files on to MLflow."""
        (self.run / UNDERWAY).unlink(missing_ok=True)
        if self._mlflow is not None:
            with self._unless_unreachable(step, epoch):
                self._mlflow.finish(self.run, figures, step)
                (self.run / UNTRACKED).unlink(missing_ok=True)

    @contextmanager
    def _unless_unreachable(self, step: int, epoch: int) -> Iterator[None]:
        """Tracking must not stop training: after one failure the server is left alone."""
        try:
            yield
        except UnreachableError as problem:
            assert self._mlflow is not None
            self.note(step, epoch, f"{problem}{upload_hint(self.run, self._mlflow.uri)}")
            self._mlflow = None

    def note(self, step: int, epoch: int, text: str) -> None:
        """Record a sentence for the user."""
        self._append(METRICS, {"kind": "note", "step": step, "epoch": epoch, "text": text})

    def progress(self, text: str) -> None:
        """Say how far something is that takes long."""
        write_whole(self.run / UNDERWAY, text)

    def sample(self, step: int, epoch: int, samples: list[dict[str, Any]]) -> None:
        """Record a few sequences: tokens, attention, masked positions, rewards."""
        for sample in samples:
            self._append(SAMPLES, {"step": step, "epoch": epoch, **sample})

    def _append(self, name: str, record: dict[str, Any]) -> None:
        self.written[name] += record.get("kind") != "note"
        with (self.run / name).open("a", encoding="utf-8") as file:
            file.write(as_json(record) + "\n")


def read_records(run: Path) -> Lines:
    """The whole records of a run, and the lines that hold none.

    Raises:
        DamagedError: the file cannot be read.
    """
    return _whole(run / METRICS, _is_record)


def figure_records(run: Path) -> list[dict[str, Any]]:
    """The records of a run that hold figures; lines that hold no whole record are left out."""
    return [record for record in read_records(run).records if record["kind"] != "note"]


def epoch_records(run: Path) -> list[dict[str, Any]]:
    """The records of a run's epochs so far, with the figures of validation."""
    found = (record for record in figure_records(run) if record["kind"] == "epoch")
    return [record for record in found if record.get("val/score") is not None]


def keep_up_to(path: Path, step: int) -> int:
    """Drop the records of later steps and what is no whole record; returns how many are kept, notes
    not counted."""
    if not path.exists():
        return 0
    kept = [r for r in _whole(path, KINDS[path.name]).records if r["step"] <= step]
    write_whole(path, "".join(as_json(record) + "\n" for record in kept))
    return sum(record.get("kind") != "note" for record in kept)


def _whole(path: Path, is_one: Callable[[dict[str, Any]], bool]) -> Lines:
    found = read_lines(path)
    odd = sum(not is_one(record) for record in found.records)
    return Lines([r for r in found.records if is_one(r)], found.damaged + odd)


def _is_record(record: dict[str, Any]) -> bool:
    """Whether that is what `Tracker.log` and `note` write."""
    if record.get("kind") == "note":
        return _is_placed(record) and isinstance(record.get("text"), str)
    figures = (value for name, value in record.items() if name != "kind")
    return (
        record.get("kind") in ("train", "epoch")
        and _is_placed(record)
        and all(value is None or _is_number(value) for value in figures)
    )


def _is_placed(record: dict[str, Any]) -> bool:
    return all(type(record.get(name)) is int for name in ("step", "epoch"))


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


KINDS = {METRICS: _is_record, SAMPLES: _is_placed}


@dataclass
class GameWatch:
    """Notices a degenerate game: rewards that do not depend on what is masked.

    `notice(figures, step)` returns the sentence for the user once, after `PATIENCE` updates in a
    row with a reward spread below `SPREAD` nats; `conclude(step)`, at the end of a run, after half
    of its updates if it had fewer. `told` keeps the sentence.
    """

    SPREAD: ClassVar[float] = 1e-3
    PATIENCE: ClassVar[int] = 200

    last_alive: int = 0  # the step of the last figures with a spread
    flat: dict[str, float] = field(default_factory=dict)  # the last figures, where they had none
    told: str = ""

    def notice(self, figures: dict[str, float], step: int) -> str | None:
        if "train/reward_spread" not in figures:
            return None
        if figures["train/reward_spread"] >= self.SPREAD:
            self.last_alive, self.flat = step, {}
        else:
            self.flat = {name: figures[name] for name in WATCHED if name in figures}
        return self._tell(step, self.PATIENCE)

    def conclude(self, step: int) -> str | None:
        return self._tell(step, min(self.PATIENCE, step / 2))

    def _tell(self, step: int, patience: float) -> str | None:
        """The sentence, where it is due now."""
        lull = step - self.last_alive
        if not self.flat or self.told or lull < patience:
            return None
        judge, advice = "", "another afa.k"
        if lull == step and lull < self.PATIENCE:
            advice += ", or train longer"
        if "train/d_accuracy" in self.flat:
            judge = f"; accuracy of the judge {self.flat['train/d_accuracy']:.3f}"
            advice += (
                "; where a Discriminator judges, also a smaller train.discriminator_lr or "
                "discriminator.readout mean"
            )
        self.told = (
            f"The game has degenerated: over {lull} updates the reward hardly depended on "
            f"which tokens were masked (spread {self.flat['train/reward_spread']:.1e} nats{judge}),"
            f" so this is plain training now. Try afa.mask delete, {advice}."
        )
        return self.told
