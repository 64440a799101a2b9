"""Counterfactual supervision: marks on words stand as far as the decision needs those words.

After the abstract of SANA (Choi et al., EMNLP 2020: "Less is More: Attention Supervision with
Counterfactuals for Text Classification"), which says that human and machine together supervise
attention and that counterfactual reasoning takes the place of association. The equations are ours;
no code or full text was at hand.

Seed marks s are the attention that is wanted in the first epoch. Before each later one, for each
marked token and some unmarked ones of highest attention, attention is taken off that token alone,
and e is by how much the decision changes (total variation). Marks of little effect are lowered;
unmarked tokens of great effect that speak for the text's class are marked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from afa_ray.data.parts import Part
from afa_ray.models.in_place import read
from afa_ray.models.interface import TargetOutput
from afa_ray.models.target import Target
from afa_ray.objectives.attention_loss import LossKind
from afa_ray.objectives.interface import Rollout
from afa_ray.objectives.rounds import Read, Rounds, TokenState
from afa_ray.objectives.supervised import of_row
from afa_ray.objectives.wanted import bound, highest, how_many
from afa_ray.objectives.words import Words
from afa_ray.supervision import SanaSettings
from envs.masking import delete_tokens

AT_ONCE = 4096  # counterfactuals
MOST_COPIES = 4  # of a text, where each is read as a whole
GREAT = 0.9  # quantile of the effects from which an unmarked token is marked

Without = Callable[[Tensor, Tensor], Tensor]
"""(P,) texts and (P,) places to (P, C) logits without what stands there."""


class Sana:
    """See `AttentionObjective`.

    Args:
        seeds: (T,) marks of the corpus's tokens to begin with, 0 to 1; None to begin with the
            tokens of highest attention after the first epoch.
        share: of a text's tokens that these are.
    """

    figures: tuple[str, ...] = (
        *("loss_attention", "supervised", "sana_effect", "sana_lowered", "sana_added"),
        "sana_auroc",  # where people marked the texts
    )
    needs: frozenset[str] = frozenset()
    optimizer: torch.optim.Optimizer | None = None
    rollout: Rollout | None = None

    def __init__(
        self,
        options: SanaSettings,
        rounds: Rounds,
        words: Words,
        seeds: Tensor | None,
        kind: LossKind,
        share: float,
    ) -> None:
        self.options, self.rounds, self.words = options, rounds, words
        self.kind, self.share, self.from_attention = kind, share, seeds is None
        if rounds.texts.marks is None:
            self.figures = self.figures[:-1]
        self.state = TokenState(rounds.texts, figures=len(self.figures) - 2).to(rounds.device)
        self.players: Mapping[str, nn.Module] = {"sana": self.state}
        if seeds is not None:
            self.state.numbers.data.copy_(seeds)
        self.state.figures.data[3:].copy_(self._plausible())

    def prepare(
        self, parts: Sequence[Part], outputs: Sequence[TargetOutput], step: int
    ) -> list[Tensor]:
        """The marks of each part, corrected where an epoch begins."""
        if self.rounds.due(step):
            self.correct()
        return [self.state.rows(part) for part in parts]

    def loss(
        self, part: Part, prepared: Tensor, output: TargetOutput
    ) -> tuple[Tensor, dict[str, Tensor]]:
        present = part.tokens != self.rounds.pad_id
        loss, found = of_row(output.row, prepared, present, self.kind)
        return loss, found | dict(zip(self.figures[2:], self.state.figures.detach(), strict=True))

    def correct(self) -> None:
        """One round over the training texts."""
        state = self.state
        if self.from_attention and not state.numbers.any():
            marked = self.rounds.of_tokens(state, self._highest)
            state.numbers.data.copy_(marked)
        effects = self.rounds.of_tokens(state, self.effects)
        marks, figures = corrected(state.numbers.detach().float(), effects, self.options.gamma)
        state.numbers.data.copy_(marks)
        state.figures.data.copy_(torch.cat([figures, self._plausible()]))

    def _plausible(self) -> Tensor:
        """(1,) `auroc` of the marks for what people marked, over all words; none where nobody
        did."""
        texts = self.rounds.texts
        if texts.marks is None:
            return torch.zeros(0)
        words = self.words.maskable(torch.from_numpy(texts.tokens).long())
        marked = torch.from_numpy(texts.marks)[words] > 0
        return auroc(self.state.numbers.detach().cpu()[words], marked)[None]

    def effects(self, batch: Read) -> Tensor:
        """(B, L) of each candidate 1 + e, negative where p(y) rises without it; 0 of others."""
        target, tokens = self.rounds.target, batch.tokens
        places, real = self.state.places(batch.examples, tokens.shape[1])
        marked = (self.state.numbers[places] > 0) & real
        if self.in_place:
            assert isinstance(target, Target)
            reading = read(target, tokens)
            row, logits = reading.row, reading.logits
            without: Without = partial(reading.moved, even=self.options.intervention == "uniform")
        else:
            output = target(tokens, attention_mask=tokens != self.rounds.pad_id)
            row, logits = output.row, output.decision
            without = partial(self._deleted, tokens)
        candidates = self._candidates(row.float(), marked, tokens)
        return signed_effects(logits, batch.labels, candidates, without)

    @property
    def in_place(self) -> bool:
        """Whether attention is moved inside the Target, and not words deleted from its texts."""
        return self.options.intervention != "delete" and isinstance(self.rounds.target, Target)

    def _candidates(self, row: Tensor, marked: Tensor, tokens: Tensor) -> Tensor:
        """(B, L) bool: the marked tokens, and the unmarked ones of highest attention."""
        extra, maskable = self.options.candidates, self.words.maskable(tokens)
        found = marked
        if extra:
            most = torch.full_like(tokens[:, 0], extra)
            found = marked | highest(row * (maskable & ~marked), most, extra)
        if self.in_place:
            return found
        most = torch.full_like(tokens[:, 0], MOST_COPIES)
        return highest(found * (row + marked), most, MOST_COPIES)  # the marked ones first

    def _deleted(self, tokens: Tensor, texts: Tensor, places: Tensor) -> Tensor:
        gone = F.one_hot(places, tokens.shape[1]).bool()
        copies = delete_tokens(tokens[texts], gone, self.rounds.pad_id)
        present = copies != self.rounds.pad_id
        return self.rounds.target(copies, attention_mask=present).decision

    def _highest(self, batch: Read) -> Tensor:
        """(B, L) 1 at the tokens of highest attention."""
        tokens = batch.tokens
        output = self.rounds.target(tokens, attention_mask=tokens != self.rounds.pad_id)
        maskable = self.words.maskable(tokens)
        most, limit = how_many(maskable, self.share), bound(tokens, self.share)
        return highest(output.row.float() * maskable, most, limit).float()


def signed_effects(logits: Tensor, labels: Tensor, candidates: Tensor, without: Without) -> Tensor:
    """(B, L): 1 + e at each candidate, with e = 1/2 sum_c |p_c - p_c without it|; negative where
    p(y) is not less without it.

    Args:
        logits: (B, C); labels: (B,); candidates: (B, L) bool.
    """
    p = logits.float().softmax(-1)
    texts, places = candidates.nonzero(as_tuple=True)
    found = torch.zeros(candidates.shape, device=p.device)
    for some in torch.arange(len(texts), device=p.device).split(AT_ONCE):
        text, place = texts[some], places[some]
        change = p[text] - without(text, place).float().softmax(-1)
        falls = change.gather(1, labels[text, None])[:, 0] > 0
        found[text, place] = (1 + change.abs().sum(-1) / 2) * torch.where(falls, 1.0, -1.0)
    return found


def corrected(marks: Tensor, effects: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
    """(T,) marks after a round, and (3,): mean effect, share of the marks lowered, share added.

    With tau the median effect of all candidates: a mark of a smaller effect is lowered to gamma
    times itself, any other set to 1. An unmarked candidate whose effect is in the top tenth, and
    without which p(y) falls, is marked with 1.

    Args:
        marks: (T,); effects: (T,), as of `signed_effects`.
    """
    candidate, marked = effects != 0, marks > 0
    if not candidate.any():
        return marks, marks.new_zeros(3)
    size = effects.abs() - 1
    ordered = size[candidate].sort().values
    tau, great = ordered[(len(ordered) - 1) // 2], ordered[int(GREAT * (len(ordered) - 1))]
    lowered = candidate & marked & (size < tau)
    kept = candidate & marked & (size >= tau)
    added = candidate & ~marked & (size >= great) & (effects > 0)
    new = torch.where(lowered, gamma * marks, marks).where(~(kept | added), 1)
    number = marked.sum().clamp_min(1)
    return new, torch.stack([ordered.mean(), lowered.sum() / number, added.sum() / number])


def auroc(scores: Tensor, marked: Tensor) -> Tensor:
    """() how probable it is that a marked token scores more than an unmarked one, equal ones
    counting half; .5 where there are not both. Quick for scores of few values.

    Args:
        scores: (T,); marked: (T,) bool.
    """
    values, which = scores.unique(return_inverse=True)
    ours, others = (which[x].bincount(minlength=len(values)).double() for x in (marked, ~marked))
    less = others.cumsum(0) - others / 2
    return ((ours * less).sum() / (ours.sum() * others.sum())).nan_to_num(0.5).float()
