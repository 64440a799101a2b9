"""Progressive self-supervised attention: words that attention chose, kept or turned down.

After Tang et al. (ACL 2019: "Progressive Self-Supervised Attention Learning for Aspect-Level
Sentiment Analysis"). Before each of the next five epochs after the first the Target reads each
training text without the words found so far; the one it then looks at most is found: active where
it predicts the text's class, misleading where not. Active words are to have equal attention,
misleading ones none. Theirs trains a new model on the shortened texts for each round; that the same
model goes on, and one round is an epoch, is ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from afa_ray.data.parts import Part
from afa_ray.models.interface import TargetOutput
from afa_ray.objectives.attention_loss import mean_over
from afa_ray.objectives.interface import Rollout
from afa_ray.objectives.rounds import Read, Rounds, TokenState
from afa_ray.objectives.supervised import last_row
from afa_ray.objectives.words import Words
from envs.masking import delete_tokens

ROUNDS = 5
ACTIVE, MISLEADING = 1.0, -1.0


class Pssa:
    """See `AttentionObjective`."""

    figures = ("loss_attention", "supervised", "pssa_active")
    needs: frozenset[str] = frozenset()
    optimizer: torch.optim.Optimizer | None = None
    rollout: Rollout | None = None

    def __init__(self, rounds: Rounds, words: Words) -> None:
        self.rounds, self.words = rounds, words
        self.state = TokenState(rounds.texts, figures=1).to(rounds.device)
        self.players: Mapping[str, nn.Module] = {"pssa": self.state}

    def prepare(
        self, parts: Sequence[Part], outputs: Sequence[TargetOutput], step: int
    ) -> list[Tensor]:
        """(B, L) of each part: what is active, and what misleads."""
        if self.rounds.due(step) and step <= ROUNDS * self.rounds.epoch:
            found = self.rounds.of_tokens(self.state, self.find)
            self.state.numbers.data.add_(found)
            active = (found == ACTIVE).sum() / (found != 0).sum().clamp_min(1)
            self.state.figures.data[0] = active
        return [self.state.rows(part) for part in parts]

    def loss(
        self, part: Part, prepared: Tensor, output: TargetOutput
    ) -> tuple[Tensor, dict[str, Tensor]]:
        losses = shares(last_row(part, output).float(), prepared)
        loss, found = mean_over(losses, (prepared != 0).any(-1))
        return loss, found | {"pssa_active": self.state.figures.detach()[0]}

    def find(self, batch: Read) -> Tensor:
        """(B, L): the next word of each text, ACTIVE or MISLEADING; none where one is left."""
        places, real = self.state.places(batch.examples, batch.tokens.shape[1])
        gone = (self.state.numbers[places] != 0) & real
        shorter = delete_tokens(batch.tokens, gone, self.rounds.pad_id)
        output = self.rounds.target(shorter, attention_mask=shorter != self.rounds.pad_id)
        maskable = self.words.maskable(shorter)
        looked = (output.attention_row.float() * maskable).argmax(-1, keepdim=True)
        left = gone.long().argsort(dim=-1, stable=True)  # the places of what was read
        right = output.logits.argmax(-1) == batch.labels
        value = torch.where(right, ACTIVE, MISLEADING) * (maskable.sum(-1) > 1)
        found = torch.zeros(batch.tokens.shape, device=value.device)
        return found.scatter(-1, left.gather(-1, looked), value[:, None])


def shares(row: Tensor, found: Tensor) -> Tensor:
    """(B,): sum over the active of (a - 1 / number)^2, and over the misleading of a^2."""
    active, misleading = found > 0, found < 0
    equal = 1 / active.sum(-1, keepdim=True).clamp_min(1)
    return ((row - equal).square() * active + row.square() * misleading).sum(-1)
