"""What a single-layer Target would decide if it did not look at a token, without reading again.

Of a head's context c = sum a_j x_j, whose weights sum to 1, taking token i out and giving its share
to the others in proportion leaves (c - a_i x_i) / (1 - a_i). What is computed anew is one position
of the layer, 12 d^2 multiply-adds, for each token that is taken out.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from afa_ray.models.sequences import Sequences
from afa_ray.models.single_query import Attended, attend, transform
from afa_ray.models.target import Target

NOTHING_LEFT = 1e-6  # attention on all other tokens


@dataclass(frozen=True)
class Reading:
    """A Target's reading of B texts by its last hop.

    Attributes:
        inputs: (B, L, d); present: (B, L) bool; rows: (B, H, L).
        attended: what each text's last position has gathered.
    """

    target: Target
    inputs: Tensor
    present: Tensor
    rows: Tensor
    attended: Attended

    @property
    def row(self) -> Tensor:
        """(B, L), the mean over heads."""
        return self.rows.mean(1)

    @property
    def logits(self) -> Tensor:
        """(B, C)."""
        return self._decide(self.attended)

    def moved(self, texts: Tensor, places: Tensor, even: bool = False) -> Tensor:
        """(P, C) logits with one token's attention moved, in every head.

        To 0, or to 1 / n of n tokens; the others keep their proportions. A head that sees nothing
        but that token then sees all others alike.

        Args:
            texts, places: (P,) int64, which token of which text; even: to 1 / n.
        """
        present = self.present[texts]
        number = present.sum(-1).view(-1, 1, 1)
        own = self.rows[texts, :, places][..., None]  # (P, H, 1)
        x = self.inputs[texts, places][:, None]  # (P, 1, d)
        others = (self.attended.context[texts] - own * x) / (1 - own).clamp_min(NOTHING_LEFT)
        total = (self.inputs * self.present[..., None]).sum(1)[texts][:, None]
        alike = (total - x) / (number - 1).clamp_min(1)
        others = torch.where(1 - own < NOTHING_LEFT, alike, others)
        share = 1 / number if even else torch.zeros_like(own)
        context = share * x + (1 - share) * others
        mass = torch.ones_like(own)
        return self._decide(Attended(self.attended.last[texts], context, mass))

    def _decide(self, attended: Attended) -> Tensor:
        target = self.target
        return target.classifier(target.dropout(transform(target.layers[-1], attended)))


def read(target: Target, tokens: Tensor) -> Reading:
    """Read (B, L) right-padded texts, no longer than the Target reads; for evaluation."""
    words = target.words(tokens)
    present = tokens != target.config.pad_token_id
    sequences = Sequences(tokens, words, present[:, None], target.positions.weight)
    hidden: Tensor | None = None
    for layer in target.layers:
        attended, rows = attend(layer, sequences, hidden)
        if layer is not target.layers[-1]:
            hidden = transform(layer, attended)
    return Reading(target, sequences.materialised(), present, rows[:, 0], attended)
