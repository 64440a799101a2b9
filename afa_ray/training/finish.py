"""After training: the test split is read, once, and the run's results are written."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from afa_ray.data.packed import PackedTexts
from afa_ray.data.sample import sample
from afa_ray.data.tokenizer import special_ids
from afa_ray.dotted import flatten
from afa_ray.evaluation.agreement import AGREEMENT
from afa_ray.evaluation.baseline import bag_of_words
from afa_ray.evaluation.classification import classification_metrics
from afa_ray.evaluation.deletion import DELETION, DeletionCurve
from afa_ray.evaluation.doubts import doubts
from afa_ray.evaluation.erasure import ERASURE
from afa_ray.evaluation.evenness import EVENNESS
from afa_ray.evaluation.explained import METHODS, explained
from afa_ray.evaluation.one_pass import figures as figures_of
from afa_ray.evaluation.plots import plot_deletion_curve
from afa_ray.evaluation.prediction import predict
from afa_ray.evaluation.robustness import robustness
from afa_ray.json_files import as_json
from afa_ray.metrics import flat_figures
from afa_ray.models import Discriminator, OwnTarget, save_player
from afa_ray.models.quiet import quiet
from afa_ray.progress import Task
from afa_ray.recipe import chosen
from afa_ray.records.checkpoint import Progress, load_trained, versions
from afa_ray.records.manifest import checkpoints, drop_others
from afa_ray.records.model_card import model_card
from afa_ray.records.run_folder import RESULT
from afa_ray.training.players import build_players
from afa_ray.training.run_report import write_report
from afa_ray.training.session import Session
from afa_ray.training.worker import Job, Worker
from afa_ray.whole_files import write_whole


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
    curve, judged = evaluate(job, worker)
    tracker, progress = worker.tracker, worker.progress
    if tracker is None:
        return
    note = progress.watch.conclude(progress.step)
    if note:
        tracker.note(progress.step, progress.epoch, note)
    result = describe(job, progress, judged)
    plot_deletion_curve(curve, job.corpus.name, job.run / "deletion_curve.png")
    save_models(job, worker, result)
    if fault := write_report(job, worker, result):
        tracker.note(progress.step, progress.epoch, fault)
    if there := checkpoints(job.run):
        drop_others(job.run, there[-1], keep=1)
    tracker.expect()
    write_whole(job.run / RESULT, as_json(result, indent=1))
    tracker.finish(progress.step, progress.epoch, flat_figures(result))


def evaluate(job: Job, worker: Worker) -> tuple[DeletionCurve, dict[str, Any]]:
    """The best epoch's Target on the test texts: its deletion curve, and all figures of
    `result.json`. Only rank 0, which saves them, has the baseline's."""
    corpus, target, seed = job.corpus, worker.learner.target, job.settings.train.seed
    special = special_ids(corpus.tokenizer)
    part = sample(corpus.test, job.settings.evaluate.texts, seed)

    def stage(doing: str, texts: PackedTexts = part, passes: int = 1) -> Task:
        return Task(f"evaluating: {doing}", passes * len(texts), say=worker.say)

    with stage("predictions", corpus.test) as task:
        predictions = predict(target, corpus.test, advance=task.advance).cpu().numpy()
    measures = {"deletion": DELETION, "erasure": ERASURE, "evenness": EVENNESS}
    if part.marks is not None:
        measures["agreement"] = AGREEMENT
    with stage("attention") as task:
        found = figures_of(target, part, special, seed, measures, advance=task.advance)
    with stage("damaged texts", passes=2) as task:
        robust = robustness(target, part, corpus.tokenizer, seed, task.advance)
    curve: DeletionCurve = found["deletion"]
    figures = {
        "test": classification_metrics(corpus.test.labels, predictions),
        "evaluated": {"texts": len(part), "of": len(corpus.test)},
        "deletion_curve": curve.as_dict(),
        "faithfulness": found["erasure"],
        "robustness": robust,
        "attention": {"normalized_entropy": found["evenness"]},
        "agreement": found.get("agreement"),
    }
    if worker.tracker is not None:
        with Task("fitting a bag of words to compare with", say=worker.say):
            baseline = bag_of_words(corpus)
        figures["baseline"] = baseline.figures(corpus.test.labels)
        figures["warnings"] = doubts(
            corpus.test.labels, predictions, corpus.label_names, baseline, found["evenness"]
        )
        if job.settings.evaluate.explained and not worker.sharded:
            few = sample(part, job.settings.evaluate.explained, seed)
            with stage("explanations", few, passes=len(METHODS)) as task:
                figures["explained"] = explained(target, few, special, seed, task.advance)
    return curve, figures


def describe(job: Job, progress: Progress, figures: dict[str, Any]) -> dict[str, Any]:
    """The content of `result.json`."""
    corpus, told = job.corpus, progress.watch.told
    return {
        "data": {
            "name": corpus.name,
            "labels": corpus.label_names,
            "train": len(corpus.train),
            "validation": len(corpus.validation),
            "test": len(corpus.test),
            "vocabulary": len(corpus.tokenizer),
            "notes": list(corpus.notes),
        },
        **figures,
        "warnings": [*figures["warnings"], *([told] if told else [])],
        "validation": {"accuracy": progress.best_accuracy, "epoch": progress.best_epoch},
        "training": {
            "epochs": progress.epoch,
            "steps": progress.step,
            "refit_steps": progress.best_step if progress.refit_from >= 0 else 0,
            "seconds": round(progress.seconds, 3),
            "tokens_per_s": round(progress.tokens / max(progress.seconds, 1e-9), 1),
        },
        "settings": flatten(chosen(job.settings, len(job.corpus.train))),
        "versions": versions(),
    }


@quiet()
def save_models(job: Job, worker: Worker, result: dict[str, Any]) -> None:
    """`model/` with tokenizer and card, and `discriminator/`, in the Hugging Face format."""
    folder, learner, target = _empty(job.run / ".model"), worker.learner, worker.learner.target
    if worker.sharded:
        target = build_players(job.settings, job.corpus).target
        load_trained(target, worker.best)
    _save(target, folder, merge=job.settings.target.lora.merge)
    job.corpus.tokenizer.save_pretrained(folder)
    (folder / "README.md").write_text(model_card(result), encoding="utf-8")
    _replace(folder, job.run / "model")
    if (discriminator := learner.players.get("discriminator")) is not None:
        folder = _empty(job.run / ".discriminator")
        _save(discriminator, folder, merge=job.settings.target.lora.merge)
        _replace(folder, job.run / "discriminator")


def _save(player: Any, folder: Path, *, merge: bool) -> None:
    if isinstance(player, OwnTarget | Discriminator):
        save_player(player, folder)
    else:
        player.save_pretrained(folder, merge=merge)


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _replace(finished: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    finished.rename(folder)
