"""After training: the test split is read, once, and the run's results are written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from transformers.utils import logging as transformers_logging

from afa_ray.config import flatten
from afa_ray.data.tokenizer import special_ids
from afa_ray.evaluation.agreement import agreement_with_marks
from afa_ray.evaluation.classification import classification_metrics
from afa_ray.evaluation.deletion import DeletionCurve, deletion_curve
from afa_ray.evaluation.faithfulness import faithfulness
from afa_ray.evaluation.plots import plot_deletion_curve
from afa_ray.evaluation.prediction import predict
from afa_ray.evaluation.robustness import robustness
from afa_ray.models import Target, save_player
from afa_ray.training.checkpoint import load_trained, versions
from afa_ray.training.model_card import model_card
from afa_ray.training.players import build_players
from afa_ray.training.run_folder import RESULT, write_whole
from afa_ray.training.session import Session
from afa_ray.training.worker import Job, Worker


def train_and_finish(job: Job, session: Session) -> None:
    """Train; then rank 0 evaluates the best Target, saves both models and writes `result.json`.

    A sharded Target is evaluated by all workers together. `result.json` comes last: a run is
    complete exactly if it is there.
    """
    worker = Worker(job, session)
    worker.train()
    worker.refit()
    if worker.tracker is None and not worker.sharded:
        return
    curve, result = evaluate(job, worker)
    if worker.tracker is None:
        return
    plot_deletion_curve(curve, job.corpus.name, job.run / "deletion_curve.png")
    save_models(job, worker, result)
    write_whole(job.run / RESULT, json.dumps(result, indent=1, ensure_ascii=False))
    worker.tracker.finish(worker.progress.step, worker.progress.epoch, flat_figures(result))


def evaluate(job: Job, worker: Worker) -> tuple[DeletionCurve, dict[str, Any]]:
    """The best epoch's Target on the test texts: its deletion curve, and the content of
    `result.json`."""
    corpus, target, progress = job.corpus, worker.learner.target, worker.progress
    special, seed = special_ids(corpus.tokenizer), job.settings.train.seed
    test = classification_metrics(corpus.test.labels, predict(target, corpus.test).cpu().numpy())
    curve = deletion_curve(target, corpus.test, special, seed)
    faithful = faithfulness(target, corpus.test, special, seed)
    robust = robustness(target, corpus.test, corpus.tokenizer, seed)
    agreement = None
    if corpus.test.marks is not None:
        agreement = agreement_with_marks(target, corpus.test, special)
    return curve, {
        "data": {
            "name": corpus.name,
            "labels": corpus.label_names,
            "train": len(corpus.train),
            "validation": len(corpus.validation),
            "test": len(corpus.test),
            "vocabulary": len(corpus.tokenizer),
            "notes": list(corpus.notes),
        },
        "test": test,
        "deletion_curve": curve.as_dict(),
        "faithfulness": faithful,
        "robustness": robust,
        "agreement": agreement,
        "validation": {"accuracy": progress.best_accuracy, "epoch": progress.best_epoch},
        "training": {
            "epochs": progress.epoch,
            "steps": progress.step,
            "refit_steps": progress.best_step if progress.refit_from >= 0 else 0,
            "seconds": round(progress.seconds, 3),
            "tokens_per_s": round(progress.tokens / max(progress.seconds, 1e-9), 1),
        },
        "settings": flatten(worker.settings),
        "versions": versions(),
    }


def flat_figures(result: dict[str, Any]) -> dict[str, float]:
    """The result's figures under their names in MLflow."""
    curve = result["deletion_curve"]
    figures = {f"test/{name}": value for name, value in result["test"].items()}
    areas = ("area_by_attention", "area_random", "normalized_area")
    figures |= {f"deletion/{name}": curve[name] for name in areas}
    for part in ("faithfulness", "robustness", "agreement"):
        found = (result.get(part) or {}).items()  # runs of before have fewer
        figures |= {f"{part}/{name}": value for name, value in found if value is not None}
    return figures | {"time/train_s": result["training"]["seconds"]}


def save_models(job: Job, worker: Worker, result: dict[str, Any]) -> None:
    """`model/` with tokenizer and card, and `discriminator/`, in the Hugging Face format."""
    transformers_logging.disable_progress_bar()
    folder, learner, target = _empty(job.run / ".model"), worker.learner, worker.learner.target
    if worker.sharded:
        target = build_players(job.settings, job.corpus).target
        load_trained(target, worker.best)
    if isinstance(target, Target):
        save_player(target, folder)
    else:
        target.save_pretrained(folder, merge=job.settings.target.lora.merge)
    job.corpus.tokenizer.save_pretrained(folder)
    (folder / "README.md").write_text(model_card(result), encoding="utf-8")
    _replace(folder, job.run / "model")
    if learner.discriminator is not None:
        folder = _empty(job.run / ".discriminator")
        save_player(learner.discriminator, folder)
        _replace(folder, job.run / "discriminator")


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _replace(finished: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    finished.rename(folder)
