"""A storage folder with a data file, the runs in it, and how a run differs from a quiet one."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from afa_ray.data.tickets import write_tickets
from tests.campaign.commands import Command, to_its_end

SMALL = {
    "target.hidden_size": 16, "discriminator.hidden_size": 16, "train.num_workers": 0,
    "train.epochs": 3, "train.batch_size": 8, "train.checkpoint_every": 4, "train.log_every": 3,
    "train.patience": 0, "train.refit": "false", "data.max_length": 24, "evaluate.texts": 20,
    "data.text_column": "message", "data.label_column": "team", "target.word2vec": "false",
}  # fmt: skip
WEIGHTS = "model/model.safetensors"


class Place:
    """A storage folder with a data file, and the runs in it.

    Args:
        values, environment: settings and environment variables of all its runs, besides the usual.
        data: another place whose data file is used.
    """

    def __init__(
        self,
        folder: Path,
        mlflow: str = "none",
        values: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
        data: Place | None = None,
    ) -> None:
        self.storage, self.mlflow = folder / "runs", mlflow
        self.data = data.data if data is not None else folder / "tickets.csv"
        self.folder, self._values = folder, dict(values or {})
        self.environment = dict(environment or {})
        folder.mkdir(parents=True, exist_ok=True)
        if not self.data.exists():
            write_tickets(self.data, rows=80, seed=0)

    def words(self, name: str) -> list[str]:
        """A run's command line."""
        given = SMALL | self._values
        given |= {"run.storage": self.storage, "run.name": name, "mlflow.uri": self.mlflow,
                  "data.train_file": self.data, "data.name": "t"}  # fmt: skip
        return [f"--{key}={value}" for key, value in given.items()]

    def start(self, name: str, before: Callable[[], object] | None = None) -> Command:
        """A run's command."""
        said = self.data.parent / f"{name}.txt"
        return Command("afa_ray.train", self.words(name), said, self.environment, before)

    def run(self, name: str, before: Callable[[], object] | None = None) -> int | None:
        """The exit status of a run's command."""
        return to_its_end(lambda: self.start(name, before)).ended()

    def said(self, name: str) -> str:
        return (self.data.parent / f"{name}.txt").read_text(errors="replace")

    def completed(self, name: str, before: Callable[[], object] | None = None) -> list[str]:
        """What is wrong after the same command once more; the run is removed then."""
        wrong = self.again(name, before=before)
        if self.mlflow != "none" and not wrong:
            wrong = tracked(self, name)
        self.remove(name)
        return wrong

    def again(
        self, name: str, quiet: str = "quiet", before: Callable[[], object] | None = None
    ) -> list[str]:
        """How the run differs from the quiet one after the same command once more."""
        status = self.run(name, before)
        return (
            self.like(name, quiet)
            if status == 0
            else [f"status {status}: {self.said(name)[-800:]}"]
        )

    def remove(self, name: str) -> None:
        shutil.rmtree(self.storage / name, ignore_errors=True)

    def like(self, name: str, quiet: str = "quiet") -> list[str]:
        """How a run differs from the quiet one; empty where it does not."""
        one, other = self.storage / name, self.storage / quiet
        found = []
        if (one / WEIGHTS).read_bytes() != (other / WEIGHTS).read_bytes():
            found.append("other weights")
        if records(one) != records(other):
            found.append("other records")
        for part in ("test", "deletion_curve", "validation"):
            if result(one)[part] != result(other)[part]:
                found.append(f"other {part}")
        if left := set(files(one)) ^ set(files(other)):
            found.append(f"other files: {sorted(left)}")
        return found


def records(run: Path) -> list[dict[str, Any]]:
    """The figures of a run, but for times."""
    lines = (run / "metrics.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    return [
        {k: v for k, v in record.items() if k != "at" and not k.startswith("time/")}
        for record in found
        if record["kind"] != "note"
    ]


def result(run: Path) -> dict[str, Any]:
    return json.loads((run / "result.json").read_text())


def files(run: Path) -> Iterator[str]:
    return (str(path.relative_to(run)) for path in run.rglob("*"))


def quiet_run(place: Place) -> float:
    """Have the run that nothing happened to; returns the seconds that it takes."""
    started = time.monotonic()
    if not (place.storage / "quiet" / "result.json").exists():
        assert place.run("quiet") == 0, place.said("quiet")
    else:
        assert place.run("timed") == 0, place.said("timed")
        shutil.rmtree(place.storage / "timed")
    return time.monotonic() - started


def tracked(place: Place, name: str) -> list[str]:
    """What is wrong with what the server has of a complete run."""
    from mlflow import MlflowClient

    client = MlflowClient(place.mlflow)
    experiment = client.get_experiment_by_name("afa_ray")
    found = client.search_runs([experiment.experiment_id]) if experiment else []
    found = [run for run in found if run.info.run_name == name]
    if len(found) != 1:
        return [f"{name} is {len(found)} times at the server"]
    history = client.get_metric_history(found[0].info.run_id, "train/loss")
    steps = sorted(metric.step for metric in history)  # by time, which may jump
    wanted = [r["step"] for r in records(place.storage / name) if r["kind"] == "train"]
    if (found[0].info.status, steps) != ("FINISHED", wanted):
        return [f"{name} is {found[0].info.status}, with steps {steps} of {wanted}"]
    return []
