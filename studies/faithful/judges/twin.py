"""Twins beside that of the settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from afa_ray.config import Settings
from afa_ray.data.corpus import Corpus
from afa_ray.data.parts import Part
from afa_ray.data.tokenizer import special_ids
from afa_ray.dotted import override
from afa_ray.models import AnyTarget
from afa_ray.objectives.adversarial import Adversarial
from afa_ray.objectives.interface import Weighed
from afa_ray.objectives.judges import Begin, TrainedJudge
from afa_ray.recipe import chosen
from afa_ray.training.players import build_players
from envs import MaskingVectorEnv


class Thrice(TrainedJudge):
    """Three updates of the twin for one of the Target."""

    def learn(
        self, begin: Begin, parts: Sequence[Part], shown: Sequence[Tensor]
    ) -> list[dict[str, Tensor]]:
        return [super(Thrice, self).learn(begin, parts, shown) for _ in range(3)][-1]


class ByClasses(TrainedJudge):
    """A twin that learns the class of texts and of their masked copies, by cross-entropy."""

    figures = ("loss_d",)

    def _descend(self, env: MaskingVectorEnv, part: Part, mask: Tensor) -> dict[str, Tensor]:
        self.network.train()
        losses = [
            F.cross_entropy(self.network(x, attention_mask=x != self.pad_id).logits, part.labels)
            for x in (part.tokens, env.masked(mask))
        ]
        loss = torch.stack(losses).mean()
        (loss * part.weight).backward()
        return {"loss_d": loss.detach()}


@dataclass(frozen=True)
class Judged:
    """Feedback that a twin pays for: a function of the Target and the corpus (`Further`).

    Attributes:
        settings: of `explainable`; kind: of judge.
        start: whether the twin begins with the Target's first weights; else with random ones.
    """

    settings: Settings
    kind: type[TrainedJudge]
    start: bool = True

    def __call__(self, target: AnyTarget, corpus: Corpus) -> Sequence[Weighed]:
        settings = chosen(
            override(self.settings, {"discriminator.judge": "twin"}), len(corpus.train)
        )
        own = corpus if self.start else replace(corpus, evidence=None)
        twin = build_players(settings, own).target.to(target.device)
        pad_id = twin.config.pad_token_id
        game = Adversarial(
            settings,
            self.kind(settings, twin, pad_id, lambda module: module),
            special_ids=special_ids(corpus.tokenizer),
            pad_id=pad_id,
            mask_id=corpus.tokenizer.mask_token_id,
            device=target.device,
            add_up=lambda tensor: None,
        )
        return [Weighed(game, settings.afa.lambda_adv)]
