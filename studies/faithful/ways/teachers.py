"""Teachers of the row beside the policy gradient: they say of tokens what they are worth, and the
row, over the text's tokens, is to be in proportion to that (Kullback-Leibler)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from afa_ray.config import decided
from afa_ray.data.corpus import Corpus
from afa_ray.data.parts import Part
from afa_ray.data.tokenizer import special_ids
from afa_ray.models import AnyTarget
from afa_ray.models.interface import Inputs, TargetOutput
from afa_ray.noise import uniform
from afa_ray.objectives.adversarial import evaluating
from afa_ray.objectives.attention_loss import attention_loss
from afa_ray.objectives.interface import Rollout, Weighed
from envs import delete_tokens, maskable_tokens
from studies.faithful.ways.gates import layers_ig

MASKS = 4
TEMPERATURE = 0.5  # of falls of log-odds
Teacher = Callable[[AnyTarget, Part, Tensor, int], tuple[Tensor, Tensor]]
"""(Target in eval mode, part, (B, L) bool text, step) -> (B, L) worth, not negative, and (B, L)
bool, where something is said of it."""


class Taught:
    """The row is taught by a teacher; see `AttentionObjective`."""

    figures: tuple[str, ...] = ("loss_taught",)
    needs: frozenset[str] = frozenset()
    players: Mapping[str, nn.Module] = {}
    optimizer: torch.optim.Optimizer | None = None
    rollout: Rollout | None = None

    def __init__(self, target: AnyTarget, corpus: Corpus, teacher: Teacher) -> None:
        self.target, self.teacher = target, teacher
        self.special = special_ids(corpus.tokenizer)

    def prepare(
        self, parts: Sequence[Part], outputs: Sequence[TargetOutput], step: int
    ) -> list[tuple[Tensor, Tensor]]:
        with evaluating(self.target), torch.no_grad():
            return [
                self.teacher(self.target, part, maskable_tokens(part.tokens, self.special), step)
                for part in parts
            ]

    def loss(
        self, part: Part, prepared: Any, output: TargetOutput
    ) -> tuple[Tensor, dict[str, Tensor]]:
        worth, where = prepared
        row = decided(output.attention_row).float() * where
        row = row / row.sum(-1, keepdim=True).clamp_min(1e-8)
        loss = attention_loss(row, worth, where)
        return loss, {"loss_taught": loss.detach()}


def by_gates(target: Any, part: Part, text: Tensor, step: int) -> tuple[Tensor, Tensor]:
    """What of the label's logit comes of each token by the attention of all layers, the positive
    part (`gates.layers_ig`, one step): two passes, and every token is told."""
    present = part.tokens != target.config.pad_token_id
    inputs = Inputs(part.tokens, present, special=present & ~text)
    return layers_ig(6, 1)(target, inputs, part.labels).relu() * text, text


def by_copies(target: Any, part: Part, text: Tensor, step: int) -> tuple[Tensor, Tensor]:
    """Amortised leave-one-out: softmax over four drawn tokens of what the label's log-odds lose
    without each: five passes, and four tokens are told."""
    size = text.shape[1]
    noise = uniform(0, step, part.examples, 1, size)[:, 0].masked_fill(~text, -1)
    picks = noise.topk(min(MASKS, size), -1).indices  # (B, M)
    masks = torch.zeros(*picks.shape, size, dtype=torch.bool).scatter(-1, picks[..., None], True)
    masks &= text[:, None]
    whole = _log_odds(target, part.tokens, part.labels)
    copies = delete_tokens(
        part.tokens.repeat_interleave(picks.shape[1], 0),
        masks.flatten(0, 1),
        target.config.pad_token_id,
    )
    without = _log_odds(target, copies, part.labels.repeat_interleave(picks.shape[1]))
    falls = whole[:, None] - without.view(picks.shape)
    where = torch.zeros_like(text).scatter(-1, picks, True) & text
    worth = torch.zeros(text.shape).scatter(-1, picks, (falls / TEMPERATURE).softmax(-1))
    return worth * where, where


def _log_odds(target: Any, tokens: Tensor, labels: Tensor) -> Tensor:
    logits = target(tokens).logits.float()
    own = logits.gather(1, labels[:, None])[:, 0]
    others = logits.scatter(1, labels[:, None], -torch.inf).logsumexp(-1)
    return own - others


def taught(teacher: Teacher, weight: float) -> Callable[[AnyTarget, Corpus], list[Weighed]]:
    return partial(_taught, teacher, weight)


def _taught(teacher: Teacher, weight: float, target: AnyTarget, corpus: Corpus) -> list[Weighed]:
    return [Weighed(Taught(target, corpus, teacher), weight)]
