"""What the rivals of adversarial feedback are made from, for a run's corpus and Target."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from afa_ray.config import Settings, decided
from afa_ray.data.corpus import Corpus
from afa_ray.models import AnyTarget
from afa_ray.models.updating import Wrap
from afa_ray.objectives.attention_loss import LossKind
from afa_ray.objectives.interface import AttentionObjective, Weighed
from afa_ray.objectives.rounds import Rounds
from afa_ray.objectives.supervised import Supervised
from afa_ray.objectives.wanted import Wanted
from afa_ray.objectives.words import WordCounts, Words, WordTable, count_words, words_of
from afa_ray.supervision import SupervisionSettings

WEIGHTS = {
    "humal-al": 2.0,
    "humal-ap": 2.0,
    "gaze": 0.1,
    "entropy-spread": 0.01,
    "entropy-sharpen": 0.01,
    "entropy-target": 0.01,
    "pssa": 0.1,
}  # of a method's loss, where it is not 1


class Making(NamedTuple):
    """What objectives are made from, in worker `rank`; `add_up` and `wrap` as in
    `build_objectives`."""

    settings: Settings
    corpus: Corpus
    target: AnyTarget
    device: torch.device
    add_up: Callable[[Tensor], object]
    wrap: Wrap
    rank: int = 0
    workers: int = 1

    @property
    def options(self) -> SupervisionSettings:
        return self.settings.supervision

    @property
    def words(self) -> Words:
        pieces = self.settings.target.pretrained and self.corpus.train.units is not None
        return words_of(self.corpus.tokenizer, pieces)

    def table(self, keys: Tensor, values: Tensor) -> WordTable:
        """A table of words for the texts of this run."""
        size = None if self.words.pieces else len(self.corpus.tokenizer)
        return WordTable(keys, values, self.device, size)

    @property
    def rounds(self) -> Rounds:
        train = self.settings.train
        return Rounds(
            target=self.target,
            texts=self.corpus.train,
            pad_id=self.pad_id,
            batch_size=decided(train.batch_size),
            device=self.device,
            precision=train.precision,
            add_up=self.add_up,
            rank=self.rank,
            workers=self.workers,
        )

    @property
    def pad_id(self) -> int:
        return int(self.corpus.tokenizer.pad_token_id)

    @property
    def kind(self) -> LossKind:
        return self.options.loss or "kl"

    @property
    def weight(self) -> float:
        given = self.options.weight
        return WEIGHTS.get(self.options.method, 1.0) if given is None else given

    def weighed(self, objective: AttentionObjective) -> list[Weighed]:
        return [Weighed(objective, self.weight)]

    def supervised(self, wanted: Wanted) -> list[Weighed]:
        return self.weighed(Supervised(wanted, self.kind, self.pad_id))

    @property
    def counts(self) -> WordCounts:
        """The words of the training texts."""
        corpus = self.corpus
        return count_words(self.words, corpus.train, corpus.tokenizer, len(corpus.label_names))
