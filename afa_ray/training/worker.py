"""The training loop of one worker: the same with Ray and without."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from afa_ray.config import Settings, decided
from afa_ray.data.batches import batch_count
from afa_ray.data.corpus import Corpus
from afa_ray.models.sharding import is_sharded
from afa_ray.progress import Task
from afa_ray.recipe import chosen
from afa_ray.records.checkpoint import (
    AVERAGE,
    Progress,
    checkpoint_name,
    collect,
    load_checkpoint,
    load_trained,
    read_progress,
    save_checkpoint,
    trained_weights,
)
from afa_ray.records.manifest import find_checkpoint
from afa_ray.records.mlflow_run import MlflowRun
from afa_ray.records.run_folder import read_fingerprints
from afa_ray.records.samples import describe_rollout
from afa_ray.records.tracking import Tracker
from afa_ray.training.averaging import Average
from afa_ray.training.divergence import require_finite
from afa_ray.training.learner import averages
from afa_ray.training.making import Further, batches_for, make_learner, no_more, total_steps
from afa_ray.training.selection import gain
from afa_ray.training.session import Session
from afa_ray.training.validation import validated


@dataclass(frozen=True)
class Job:
    """What to train, on what, and where its results go (`run` is an absolute path).

    `further` makes objectives beside those of the settings; it travels to the workers.
    """

    settings: Settings
    corpus: Corpus
    run: Path
    mlflow: MlflowRun | None
    further: Further = no_more


class Worker:
    """Trains until the validation accuracy stops improving, or a limit is reached.

    `settings` are the job's, with what they leave to the data chosen.
    """

    def __init__(self, job: Job, session: Session) -> None:
        self.settings, self.corpus = chosen(job.settings, len(job.corpus.train)), job.corpus
        self.session, self.further = session, job.further
        found = find_checkpoint(job.run)
        folder = found.folder
        self.progress = Progress() if folder is None else read_progress(folder)
        if self.progress.refit_from >= 0:
            self.corpus = decided(job.corpus.whole)
        notes = self._make_learner()
        self.sharded = is_sharded(self.learner.target)
        if folder is not None:
            self.best, self.progress = load_checkpoint(folder, self.learner, session.rank)
            if self.average is not None:
                self.average.load(load_file(folder / AVERAGE))
        self.fingerprints = read_fingerprints(job.run)
        self.tracker = None
        if session.rank == 0:
            progress = self.progress
            self.tracker = Tracker(job.run, progress.step, job.mlflow, progress.written)
            for note in notes if folder is None else found.damaged + self.tracker.lost:
                self.tracker.note(progress.step, progress.epoch + 1, note)

    def _make_learner(self) -> list[str]:
        """Fresh players, and their average; returns notes for the user."""
        self.learner, notes = make_learner(self.settings, self.corpus, self.session, self.further)
        self.best = trained_weights(self.learner.target)
        self.average: Average | None = None
        if self._averaged:
            self.average = Average(self.learner.target, self._averaged)
        return notes

    def say(self, text: str) -> None:
        """Have the user told how far something is; by rank 0 alone."""
        if self.tracker is not None:
            self.tracker.progress(text)

    def train(self) -> None:
        """Train to the end; the learner then holds the Target of the best epoch."""
        last = self._last_step or total_steps(self.settings, len(self.corpus.train))
        with Task("training", last - self.progress.step, "updates", self.say) as self.task:
            while not self.progress.finished:
                self._epoch()
        load_trained(self.learner.target, self.best)

    def refit(self) -> None:
        """After `train`: once more on all texts, where the corpus is for that, for as many updates
        as were best; the learner then holds the Target at their end."""
        progress, whole = self.progress, self.corpus.whole
        if whole is not None:
            progress.refit_from, progress.batch, progress.finished = progress.step, 0, False
            self.corpus = whole
            self._make_learner()
            if self.tracker is not None:
                note = f"once more, on all {len(whole.train):,} texts: {progress.best_step} updates"
                self.tracker.note(progress.step + 1, progress.epoch + 1, note)
            self.train()

    def _epoch(self) -> None:
        settings, progress = self.settings.train, self.progress
        batches = batches_for(
            self.learner,
            self.corpus,
            epoch=progress.epoch,
            rank=self.session.rank,
            workers=self.session.workers,
            skip=progress.batch,
        )
        self._started = time.perf_counter()
        for batch in batches:
            self.learner.update(batch, progress.step - max(0, progress.refit_from))
            progress.step += 1
            progress.batch += 1
            if self.average is not None:
                self.average.follow(progress.step)
            self.task.advance(1)
            if progress.step % settings.log_every == 0:
                self._log_interval()
            if progress.step == self._last_step:
                break
            if self._is_time_to_save():
                self._stop_the_clock()
                self._save({})
                self._started = time.perf_counter()
        if progress.step % settings.log_every:
            self._log_interval()
        self._end_epoch()

    def _is_time_to_save(self) -> bool:
        """Whether to save now; the end of the epoch saves anyway."""
        every, count = self.settings.train.checkpoint_every, len(self.corpus.train)
        last = self.progress.batch == batch_count(count, self.learner.batch_size)
        return every > 0 and self.progress.step % every == 0 and not last

    def _stop_the_clock(self) -> None:
        now = time.perf_counter()
        self.progress.interval_seconds += now - self._started
        self._started = now

    def _log_interval(self) -> None:
        """Log the figures since the last call."""
        learner, progress = self.learner, self.progress
        sums = self._sums_of_all_workers()
        learner.sums.zero_()
        figures, tokens = averages(sums, learner.metrics)  # reads the device: all work is done
        require_finite(figures, progress.step, self.settings.train)
        self._stop_the_clock()
        figures["time/tokens_per_s"] = tokens / progress.interval_seconds
        progress.seconds += progress.interval_seconds
        progress.tokens += tokens
        progress.interval_seconds = 0.0
        if self.tracker is not None:
            self.tracker.log("train", progress.step, progress.epoch + 1, figures)
            self.task.heard()
            note = progress.watch.notice(figures, progress.step)
            if note:
                self.tracker.note(progress.step, progress.epoch + 1, note)

    def _sums_of_all_workers(self) -> Tensor:
        sums = self.learner.sums.clone()
        self.session.add_up(sums)
        return sums

    @property
    def _last_step(self) -> int:
        """The update that training ends with; 0 where it is not known."""
        progress = self.progress
        if progress.refit_from >= 0:
            return progress.refit_from + progress.best_step
        return self.settings.train.max_steps

    def _end_epoch(self) -> None:
        settings, progress = self.settings.train, self.progress
        if progress.refit_from >= 0:
            return self._end_refit_epoch()
        with self.average.applied() if self.average is not None else nullcontext():
            target, session = self.learner.target, self.session
            figures = validated(target, self.corpus, settings, session, progress.step)
            progress.epoch += 1
            progress.batch = 0
            progress.stale += 1
            if self._is_best(figures["val/accuracy"], figures["val/score"]):
                progress.best_score, progress.best_epoch = figures["val/score"], progress.epoch
                progress.best_accuracy, progress.best_step = figures["val/accuracy"], progress.step
                progress.stale = 0
                self.best = trained_weights(self.learner.target)
        progress.finished = (
            progress.epoch >= decided(settings.epochs)
            or progress.step == settings.max_steps
            or 0 < decided(settings.patience) <= progress.stale
        )
        if self.tracker is not None:
            self.tracker.log("epoch", progress.step, progress.epoch, figures)
            samples = describe_rollout(self.learner.rollout, self.corpus.tokenizer)
            self.tracker.sample(progress.step, progress.epoch, samples)
        self._save({"epoch": progress.epoch, **figures})

    def _end_refit_epoch(self) -> None:
        """No text is left to validate on: the weights at the end are taken."""
        progress = self.progress
        progress.epoch += 1
        progress.batch = 0
        progress.finished = progress.step == self._last_step
        if progress.finished:
            with self.average.applied() if self.average is not None else nullcontext():
                self.best = trained_weights(self.learner.target)
        self._save({})

    @property
    def _averaged(self) -> int:
        return decided(self.settings.train.average)

    def _is_best(self, accuracy: float, score: float) -> bool:
        """Whether an epoch is the best so far.

        Weights whose average still holds its start are not kept beyond the next epoch.
        """
        progress = self.progress
        first = progress.best_epoch < 0 or progress.best_step < self._averaged
        if first or self.settings.train.choose == "last":
            return True
        best, margin = progress.best_accuracy, decided(self.settings.train.margin)
        gained = gain(accuracy, best, len(self.corpus.validation), margin)
        return gained + (score - accuracy) > progress.best_score - best

    def _save(self, figures: dict[str, float]) -> None:
        sums = self._sums_of_all_workers()
        since = averages(sums, self.learner.metrics)[0]
        require_finite(since, self.progress.step, self.settings.train)
        if self.tracker is not None:
            self.progress.written = dict(self.tracker.written)
        tensors = {}
        if self.session.rank == 0 or self.sharded:
            tensors = collect(self.learner, sums=sums, best=self.best)
        if self.average is not None:
            tensors["average"] = self.average.weights
        self.session.save(
            checkpoint_name(self.progress),
            figures,
            lambda folder: save_checkpoint(
                folder,
                tensors,
                progress=self.progress,
                settings=self.settings,
                fingerprints=self.fingerprints,
            ),
        )
