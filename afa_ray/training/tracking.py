"""What a run leaves behind while it trains: `metrics.jsonl`, `samples.jsonl` and MLflow.

Only rank 0 tracks. A resumed run continues the files from its checkpoint: records of steps that are
trained again are dropped first, so that no step is counted twice.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from afa_ray.training.mlflow_run import MlflowRun

METRICS, SAMPLES = "metrics.jsonl", "samples.jsonl"


class Tracker:
    """Appends records, `{"kind", "step", "epoch", …}`, and hands their figures on to MLflow.

    Args:
        run: the run's folder.
        step: the step that training (re)starts from.
        mlflow: the run at the tracking server, or None.
    """

    def __init__(self, run: Path, step: int, mlflow: MlflowRun | None) -> None:
        self.run = run
        self._mlflow = mlflow
        self._uploaded = {"train": -1, "epoch": -1}  # last steps at the server, by kind
        if mlflow is not None and step:
            self._uploaded = {
                "train": mlflow.last_step("train/loss"),
                "epoch": mlflow.last_step("val/accuracy"),
            }
        for name in (METRICS, SAMPLES):
            keep_up_to(run / name, step)

    def log(self, kind: str, step: int, epoch: int, figures: dict[str, float]) -> None:
        """Record figures of `kind` train (an interval) or epoch."""
        self._append(METRICS, {"kind": kind, "step": step, "epoch": epoch, **figures})
        if self._mlflow is not None and step > self._uploaded[kind]:
            self._mlflow.log_metrics(figures, step)

    def note(self, step: int, epoch: int, text: str) -> None:
        """Record a sentence for the user."""
        self._append(METRICS, {"kind": "note", "step": step, "epoch": epoch, "text": text})

    def sample(self, step: int, epoch: int, samples: list[dict[str, Any]]) -> None:
        """Record a few sequences: tokens, attention, masked positions, rewards."""
        for sample in samples:
            self._append(SAMPLES, {"step": step, "epoch": epoch, **sample})

    def _append(self, name: str, record: dict[str, Any]) -> None:
        with (self.run / name).open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def keep_up_to(path: Path, step: int) -> None:
    """Drop the records of later steps, and a last line that a crash cut short."""
    if not path.exists():
        return
    kept = [
        line for line in path.read_text(encoding="utf-8").splitlines() if _is_before(line, step)
    ]
    unfinished = path.with_suffix(".part")
    unfinished.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
    unfinished.replace(path)


def _is_before(line: str, step: int) -> bool:
    try:
        return json.loads(line)["step"] <= step
    except json.JSONDecodeError:
        return False


class GameWatch:
    """Notices a degenerate game: rewards that do not depend on what is masked.

    `notice(figures, updates)` returns the sentence for the user once, after `PATIENCE` updates in a
    row with a reward spread below `SPREAD` nats.
    """

    SPREAD, PATIENCE = 1e-3, 200

    def __init__(self) -> None:
        self._flat = 0
        self._told = False

    def notice(self, figures: dict[str, float], updates: int) -> str | None:
        spread = figures.get("train/reward_spread")
        if spread is None:
            return None
        self._flat = self._flat + updates if spread < self.SPREAD else 0
        if self._flat < self.PATIENCE or self._told:
            return None
        self._told = True
        return (
            f"The game has degenerated: over {self._flat} updates the reward hardly depended on "
            f"which tokens were masked (spread {spread:.1e} nats; Discriminator accuracy "
            f"{figures['train/d_accuracy']:.3f}), so this is plain training now. Try afa.mask "
            "delete, a smaller train.discriminator_lr, another afa.k or discriminator.readout mean."
        )
