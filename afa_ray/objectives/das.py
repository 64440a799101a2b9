"""Supervision by class keywords without two of its biases.

After the abstract of DAS (Wu et al., AAAI 2024: "Debiasing Attention Supervision"): attention
supervision takes over the labels' distribution, against which a back-door adjustment is set, and
what words say by the range of labels that they occur with, whose direct effect is subtracted. Full
text and code were not at hand: keywords, queries, losses and weights are ours.

1. Keywords k_c(v) of class c by frequencies within the class, and a prior over classes that is the
   same for all: how many texts a class has changes nothing. What is wanted is the mean over classes
   of k_c on the text's tokens.
2. Label queries: the Target reads once for each class c, and its row for c is to be k_c's. It
   decides by the mean over c of what it has gathered, hence by the mean row.
3. The direct effect: while training, what keywords say by themselves, z_w, is added to the logits,
   by a small network that sees them without order and context; it is left out afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from afa_ray.data.parts import Part
from afa_ray.models.interface import TargetOutput
from afa_ray.models.updating import Wrap, adam, synchronising, wrapped
from afa_ray.objectives.attention_loss import LossKind, by_text, mean_over
from afa_ray.objectives.interface import Rollout
from afa_ray.objectives.supervised import last_row, of_row
from afa_ray.objectives.wanted import ByScore

WIDTH = 16  # of the word branch's embeddings; what it says has no more dimensions than classes
OWN = 0.2  # weight of the word branch's own cross-entropy
MIXED = 0.1  # its share of the probabilities with fuse mix

Fuse = Literal["sum", "mix"]


class ClassKeywords:
    """Levels 1 and 2: attention on the keywords of the classes, all classes alike; see
    `AttentionObjective`.

    Args:
        scores: k_c(v), (V, C).
    """

    figures: tuple[str, ...] = ("loss_attention", "supervised")
    needs: frozenset[str] = frozenset()
    optimizer: torch.optim.Optimizer | None = None
    rollout: Rollout | None = None

    def __init__(self, scores: ByScore, kind: LossKind, pad_id: int) -> None:
        self.scores, self.kind, self.pad_id = scores, kind, pad_id
        self.players: Mapping[str, nn.Module] = {}

    def prepare(
        self, parts: Sequence[Part], outputs: Sequence[TargetOutput], step: int
    ) -> list[Tensor]:
        """(B, C, L) of each part: the row that is wanted for each class."""
        return [self.by_class(part) for part in parts]

    def by_class(self, part: Part) -> Tensor:
        """(B, C, L) k_c on the text's tokens, which sums to 1, or is 0 without a keyword of c."""
        keys = self.scores.words.keys(part.tokens, part.units)
        found = self.scores.table.look_up(keys).transpose(1, 2)
        return found / found.sum(-1, keepdim=True).clamp_min(1e-30)

    def loss(
        self, part: Part, prepared: Tensor, output: TargetOutput
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Of one row against the mean over classes, or of the label queries' rows, class by class:
        1/C sum_c, mean over the texts with a keyword."""
        present = part.tokens != self.pad_id
        if output.label_rows is None:
            return of_row(last_row(part, output), prepared.mean(1), present, self.kind)
        losses, there = by_text(output.label_rows, prepared, present[:, None], self.kind)
        return mean_over(losses.mean(-1), there.any(-1))


class WordBranch(nn.Module):
    """z_w = W mean(E[keywords]) + b, (B, C)."""

    def __init__(self, keywords: int, classes: int) -> None:
        super().__init__()
        self.words = nn.EmbeddingBag(keywords + 1, WIDTH, mode="mean", padding_idx=0)
        self.classify = nn.Linear(WIDTH, classes)

    def forward(self, keywords: Tensor) -> Tensor:
        """Logits of (B, L) keywords, numbered from 1 on; 0 at all other tokens."""
        return self.classify(self.words(keywords))


class DirectEffect:
    """Level 3: the Target learns what is left to say beside the words by themselves; see
    `AttentionObjective`.

    The learner's L_cls is CE(z, y); in its place L = CE(z + z_w, y) is descended, by adding the
    difference of the two. The branch descends L + .2 CE(z_w, y) at the same logits z.

    Args:
        numbers: the keyword that each word is, from 1 on, (V,).
        wrap: applied to the branch for its update (DistributedDataParallel).
    """

    figures = ("loss_words", "words_accuracy")
    needs: frozenset[str] = frozenset()
    rollout: Rollout | None = None

    def __init__(
        self, numbers: ByScore, branch: WordBranch, fuse: Fuse, learning_rate: float, wrap: Wrap
    ) -> None:
        self.numbers, self.branch, self.fuse = numbers, branch, fuse
        self.players = {"words": branch}
        self.optimizer: torch.optim.Optimizer = adam(branch, learning_rate)
        self._wrapped = wrapped(branch, wrap)

    def prepare(
        self, parts: Sequence[Part], outputs: Sequence[TargetOutput], step: int
    ) -> list[Tensor]:
        """One step of the branch; (B, C) of each part, what it said before."""
        self.optimizer.zero_grad(set_to_none=True)
        said = []
        for part, output in zip(parts, outputs, strict=True):
            with synchronising(self._wrapped, part is parts[-1]):
                said.append(self._descend(part, output))
        self.optimizer.step()
        return said

    def loss(
        self, part: Part, prepared: Tensor, output: TargetOutput
    ) -> tuple[Tensor, dict[str, Tensor]]:
        logits = output.decision.float()
        loss = fused(logits, prepared, part.labels, self.fuse)
        loss = loss - F.cross_entropy(logits, part.labels)
        return loss, {
            "loss_words": F.cross_entropy(prepared, part.labels),
            "words_accuracy": (prepared.argmax(-1) == part.labels).float().mean(),
        }

    def _descend(self, part: Part, output: TargetOutput) -> Tensor:
        keys = self.numbers.words.keys(part.tokens, part.units)
        words = self._wrapped(self.numbers.table.look_up(keys).long())
        loss = fused(output.decision.float().detach(), words, part.labels, self.fuse)
        loss = loss + OWN * F.cross_entropy(words, part.labels)
        (loss * part.weight).backward()
        return words.detach()


def fused(logits: Tensor, words: Tensor, labels: Tensor, fuse: Fuse) -> Tensor:
    """Cross-entropy of both together: of the sum of logits, or of .9 p + .1 p_w (as Seeberger et
    al., arXiv 2511.10120)."""
    if fuse == "sum":
        return F.cross_entropy(logits + words, labels)
    both = (1 - MIXED) * logits.softmax(-1) + MIXED * words.softmax(-1)
    return F.nll_loss(both.clamp_min(1e-30).log(), labels)
