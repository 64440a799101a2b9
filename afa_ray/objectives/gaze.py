"""Cognitive supervision: attention like the time that people looked at words.

After the abstracts of McGuire and Tomuro (Canadian AI 2021; CMCL 2021): classification plus the
divergence between eye-tracking and attention. Direction, weight and layer are ours: KL(h || a) of
the row that decides. Few sentences have been read so: each update takes 32 of them beside its own
texts, with their class where it is one of the Target's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from afa_ray.data.packed import PackedTexts
from afa_ray.data.parts import Part
from afa_ray.models import AnyTarget
from afa_ray.models.interface import TargetOutput
from afa_ray.models.precision import Precision, autocast
from afa_ray.models.updating import by_rows
from afa_ray.objectives.attention_loss import LossKind
from afa_ray.objectives.interface import Rollout
from afa_ray.objectives.supervised import of_row
from afa_ray.objectives.words import Words

SENTENCES = 32  # an update


class Gaze:
    """See `AttentionObjective`; the same sentences on all workers.

    Args:
        texts: with `human`; labels from `classes` on are no class of the Target.
        weight: of the attention's loss; that of the sentences' classes is 1.
    """

    figures = ("loss_attention", "supervised", "loss_read")
    needs: frozenset[str] = frozenset()
    optimizer: torch.optim.Optimizer | None = None
    rollout: Rollout | None = None

    def __init__(
        self,
        target: AnyTarget,
        texts: PackedTexts,
        words: Words,
        pad_id: int,
        *,
        classes: int,
        kind: LossKind,
        weight: float,
        seed: int,
        precision: Precision,
    ) -> None:
        self.target, self.texts, self.words, self.pad_id = target, texts, words, pad_id
        self.classes, self.kind, self.weight, self.seed = classes, kind, weight, seed
        self.precision = precision
        self.players: Mapping[str, nn.Module] = {}

    def prepare(
        self, parts: Sequence[Part], outputs: Sequence[TargetOutput], step: int
    ) -> list[np.ndarray]:
        """The sentences of an update, the same for each part."""
        number = min(SENTENCES, len(self.texts))
        chosen = np.random.default_rng([self.seed, step]).choice(len(self.texts), number, False)
        return [chosen] * len(parts)

    def loss(
        self, part: Part, prepared: np.ndarray, output: TargetOutput
    ) -> tuple[Tensor, dict[str, Tensor]]:
        device = part.tokens.device
        tokens = torch.from_numpy(self.texts.padded(prepared, self.pad_id)).to(device)
        human = torch.from_numpy(self.texts.padded_human(prepared)).to(device)
        labels = torch.from_numpy(self.texts.labels[prepared]).to(device)
        with autocast(device, self.precision, self.target), by_rows(self.target):
            read = self.target(tokens, attention_mask=tokens != self.pad_id)
        wanted = human * self.words.maskable(tokens)
        loss, found = of_row(read.attention_row, wanted, tokens != self.pad_id, self.kind)
        known = labels < self.classes
        of_class = F.cross_entropy(read.logits.float(), labels.where(known, 0), reduction="none")
        of_class = (of_class * known).sum() / known.sum().clamp_min(1)
        return self.weight * loss + of_class, found | {"loss_read": of_class.detach()}
