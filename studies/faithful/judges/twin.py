"""A trained judge that can read as well as the Target: a second one, its twin.

In pairing `contrast` the Discriminator is given a class c, and tells masked sequences of c from
untouched ones of other classes. A twin with probabilities p is that Discriminator by
D(X, c) = 1 - p(c | X) (`TargetJudge`), so that its loss (E5) is

    L_D = -log(1 - p(c | X')) - log p(c | X~),

with X~ the masked copy of a sequence of class c, and X' an untouched one of another class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from afa_ray.config import Settings, decided
from afa_ray.data.corpus import Corpus
from afa_ray.data.parts import Part
from afa_ray.data.tokenizer import special_ids
from afa_ray.models import AnyTarget, TargetJudge
from afa_ray.models.updating import RowAdam, adam, by_rows
from afa_ray.objectives.adversarial import Adversarial
from afa_ray.objectives.interface import Weighed
from afa_ray.objectives.judges import Begin, TargetAsJudge
from afa_ray.objectives.losses import discriminator_loss
from afa_ray.recipe import chosen
from afa_ray.training.making import Further
from afa_ray.training.players import build_players

Loss = Callable[[TargetJudge, Part, Tensor], Tensor]
"""(judge, part, (B, L) ids of its masked copies) -> what the twin descends."""


def alternation(judge: TargetJudge, part: Part, masked: Tensor) -> Tensor:
    """(E5) against untouched sequences of other classes."""
    assert part.partners is not None
    return discriminator_loss(judge(part.partners, part.labels), judge(masked, part.labels))


def classes(judge: TargetJudge, part: Part, masked: Tensor) -> Tensor:
    """Cross-entropy of the class, of sequences and of their masked copies."""
    pad = judge.target.config.pad_token_id
    losses = [
        F.cross_entropy(judge.target(x, attention_mask=x != pad).logits, part.labels)
        for x in (part.tokens, masked)
    ]
    return torch.stack(losses).mean()


class Twin:
    """A twin that learns from masks as a Discriminator does; see `Judge`.

    Args:
        steps: its updates for one of the Target.
    """

    figures = ("loss_d",)

    def __init__(self, twin: AnyTarget, loss: Loss, lr: float, steps: int) -> None:
        self.needs = frozenset({"partners"} if loss is alternation else ())
        self.players = {"discriminator": twin}
        self.optimizer: RowAdam | None = adam(twin, lr)
        self.discriminator, self.network = TargetJudge(twin), twin
        self.descends, self.steps = loss, steps

    def condition(self, part: Part) -> Tensor:
        return part.labels

    def learn(
        self, begin: Begin, parts: Sequence[Part], shown: Sequence[Tensor]
    ) -> list[dict[str, Tensor]]:
        assert self.optimizer is not None
        for _ in range(self.steps):
            self.optimizer.zero_grad(set_to_none=True)
            figures = []
            for part, mask in zip(parts, shown, strict=True):
                self.network.train()
                with by_rows(self.network):
                    loss = self.descends(self.discriminator, part, begin(part).masked(mask))
                (loss * part.weight).backward()
                figures.append({"loss_d": loss.detach()})
            self.optimizer.step()
        return figures


class Average(TargetAsJudge):
    """A moving average of the Target's weights is the judge.

    Args:
        decay: of the average, an update.
    """

    def __init__(self, target: AnyTarget, twin: AnyTarget, decay: float) -> None:
        super().__init__(twin)
        self.own, self.decay = target, decay

    @torch.no_grad()
    def learn(self, *args: Any) -> list[dict[str, Tensor]]:
        for kept, new in zip(self.network.parameters(), self.own.parameters(), strict=True):
            kept.lerp_(new, 1 - self.decay)
        return super().learn(*args)


@dataclass(frozen=True)
class Judged:
    """Feedback by a twin: a function of the Target and the corpus (`Further`).

    Attributes:
        settings: of `explainable`; loss: the twin's, or None: a moving average of the Target.
        start: the twin begins with the weights that the Target begins with; else with random ones.
        steps: the twin's updates for one of the Target; weight: lambda.
    """

    settings: Settings
    loss: Loss | None
    start: bool = True
    steps: int = 1

    def __call__(self, target: AnyTarget, corpus: Corpus) -> Sequence[Weighed]:
        device = target.device
        settings = chosen(self.settings, len(corpus.train))
        own = corpus if self.start else replace(corpus, evidence=None)
        twin = build_players(settings, own).target.to(device)
        if self.loss is None:
            judge: Any = Average(target, twin, 0.99)
        else:
            judge = Twin(twin, self.loss, decided(settings.train.target_lr), self.steps)
        game = Adversarial(
            settings,
            judge,
            special_ids=special_ids(corpus.tokenizer),
            pad_id=corpus.tokenizer.pad_token_id,
            mask_id=corpus.tokenizer.mask_token_id,
            device=device,
            add_up=lambda tensor: None,
        )
        return [Weighed(game, settings.afa.lambda_adv)]


def judged(settings: Settings, loss: Loss | None, **how: Any) -> Further:
    return Judged(settings, loss, **how)
