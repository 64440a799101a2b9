"""What the user sees: a header, a progress line an interval, a table row an epoch, the results.

Everything during training is printed from `metrics.jsonl`, so a run on Ray reads like a run in this
process, and nothing a worker or a library prints gets between.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from afa_ray.config import SINGLE_LAYER, Settings
from afa_ray.data.corpus import Corpus
from afa_ray.dotted import flatten
from afa_ray.method import described
from afa_ray.records.run_folder import REPORT
from afa_ray.records.tracking import METRICS, UNDERWAY, read_records

POLL_S = 0.2


def header(settings: Settings, corpus: Corpus, run: Path, version: str) -> str:
    """What is about to be trained."""
    sizes = ", ".join(
        f"{len(part):,} {name}"
        for name, part in (
            ("train", corpus.train),
            ("validation", corpus.validation),
            ("test", corpus.test),
        )
    )
    afa = settings.afa
    method = described(flatten(settings))
    if afa.lambda_adv:
        method += (
            f", policy {afa.policy}, k {afa.k}, epsilon {afa.epsilon}, lambda {afa.lambda_adv}"
        )
    lines = [
        f"afa_ray {version}",
        f"  data    {corpus.name}: {sizes} texts, {len(corpus.label_names)} classes, "
        f"{len(corpus.tokenizer):,} {'pieces' if settings.target.pretrained else 'words'}",
        *[f"          {note}" for note in corpus.notes],
        *([] if settings.target.name == SINGLE_LAYER else [f"  target  {settings.target.name}"]),
        f"  method  {method}",
        f"  run     {run}",
    ]
    if afa.lambda_adv and afa.mask == "token":
        lines.append(
            "  note    afa.mask token: a Discriminator usually learns to see the mask token within "
            "an epoch, and AFA becomes plain training; delete is the default"
        )
    return "\n".join(lines)


class Follower:
    """Prints the new records of a run's `metrics.jsonl` as they are written, and how far it is with
    what takes long, as a context manager.

    A record that is written again, after a worker was lost, is not printed again.

    Args:
        steps: the updates of the whole run; done: those that an earlier part of it has printed.
    """

    def __init__(self, run: Path, steps: int, done: int = 0) -> None:
        self._file = run / METRICS
        self._steps = steps
        self._read_at = 0  # the file's time stamp when it was last read
        self._printed = {_identity(r) for r in self._records() if r["step"] <= done}
        self._underway = run / UNDERWAY
        self._last_line = self._line()  # of an earlier part of the run
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Follower:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._done.wait(POLL_S):
            self._print_new()
        self._print_new()

    def _print_new(self) -> None:
        for record in self._records():
            if _identity(record) not in self._printed:
                self._printed.add(_identity(record))
                with suppress(KeyError, TypeError):  # a damaged record has other figures
                    print(render(record, self._steps), flush=True)
        line = self._line()
        if line and line != self._last_line:
            print(f"  {line}", flush=True)
        self._last_line = line

    def _line(self) -> str:
        try:
            return self._underway.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):  # nothing takes long
            return ""

    def _records(self) -> list[dict[str, Any]]:
        """All whole records, or none if the file has not changed."""
        if not self._file.exists() or self._file.stat().st_mtime_ns == self._read_at:
            return []
        self._read_at = self._file.stat().st_mtime_ns
        return read_records(self._file.parent).records


def _identity(record: dict[str, Any]) -> tuple[str, int, str]:
    return record["kind"], record["step"], record.get("text", "")


def render(record: dict[str, Any], steps: int) -> str:
    """One record as one line."""
    if record["kind"] == "note":
        return f"  note    {record['text']}"
    if record["kind"] == "epoch":
        return (
            f"epoch {record['epoch']:<3} validation accuracy {record['val/accuracy']:.4f}"
            f"  macro F1 {record['val/macro_f1']:.4f}"
        )
    limit = f"/{steps}" if record["step"] <= steps else ""  # beyond it all texts are trained on
    line = (
        f"  step {record['step']:>{len(str(steps))}}{limit}"
        f"  loss {record['train/loss_cls']:.3f}  acc {record['train/accuracy']:.3f}"
        f"  entropy {record['train/attention_entropy']:.2f}"
    )
    if "train/reward_mean" in record:
        line += "  |"
        if "train/d_accuracy" in record:
            line += f" D acc {record['train/d_accuracy']:.3f} "
        line += (
            f" reward {record['train/reward_mean']:.3f}  spread {record['train/reward_spread']:.3f}"
        )
    return f"{line}  | {record['time/tokens_per_s']:,.0f} tokens/s"


def _agreement(found: dict[str, Any]) -> str:
    if found["auroc"] is None:
        return "not known, no text has both marked words and others"
    return (
        f"AUROC {found['auroc']:.3f}  average precision {found['average_precision']:.3f}  "
        f"({found['texts']:,} texts)"
    )


def summary(result: dict[str, Any], run: Path) -> str:
    """The results of a complete run."""
    test, curve, agreement = result["test"], result["deletion_curve"], result["agreement"]
    part = result["settings"].get("data.evaluate_on", "test")  # runs of before had no choice
    width = 7
    rows = [
        "  deleted tokens    " + "".join(f"{count:>{width}}" for count in curve["counts"]),
        "  top by attention  " + "".join(f"{a:>{width}.3f}" for a in curve["by_attention"]),
        "  random tokens     " + "".join(f"{a:>{width}.3f}" for a in curve["random"]),
    ]
    lines = [
        f"{part} (epoch {result['validation']['epoch']}, best on validation): accuracy "
        f"{test['accuracy']:.4f}  macro F1 {test['macro_f1']:.4f}",
        *_baseline(result),
        f"accuracy after deleting tokens{_of(result)}:",
        *rows,
    ]
    if agreement:
        lines.append(f"attention against marked words: {_agreement(agreement)}")
    training = result["training"]
    lines += [
        f"trained {training['epochs']} epochs in {training['seconds']:.0f} s, "
        f"{training['tokens_per_s']:,.0f} tokens/s",
        *[f"warning: {text}" for text in result.get("warnings", ())],
        f"model   {run / 'model'}",
        f"results {run / 'result.json'}",
        *([f"page    {run / REPORT}"] if (run / REPORT).exists() else []),
    ]
    return "\n".join(lines)


def _baseline(result: dict[str, Any]) -> list[str]:
    """The line of the bag of words; runs of before have none."""
    found = result.get("baseline")
    if found is None:
        return []
    train = result["data"]["train"]
    part = f" (of {found['texts']:,} training texts)" if found["texts"] < train else ""
    return [
        f"  a bag of words: accuracy {found['accuracy']:.4f}  macro F1 {found['macro_f1']:.4f}  "
        f"({found['name']}{part}, {found['seconds']:.0f} s)"
    ]


def _of(result: dict[str, Any]) -> str:
    """Which part of the texts that was, where it was not all of them."""
    found = result.get("evaluated", {"texts": 0, "of": 0})
    return f" ({found['texts']:,} of {found['of']:,} texts)" if found["texts"] < found["of"] else ""
