"""What is found out about the training texts between epochs, by the Target as it is then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from afa_ray.data.batches import batch_count, evaluation_batches
from afa_ray.data.packed import PackedTexts
from afa_ray.data.parts import Part
from afa_ray.models import AnyTarget
from afa_ray.models.precision import Precision, autocast
from afa_ray.objectives.adversarial import evaluating


class TokenState(nn.Module):
    """A number for each of the T tokens of a corpus, and some figures.

    Parameters, so that they are saved with a run and a run that is continued has them; no gradient
    changes them.
    """

    def __init__(self, texts: PackedTexts, figures: int) -> None:
        super().__init__()
        self.numbers = nn.Parameter(torch.zeros(len(texts.tokens), dtype=torch.float16))
        self.figures = nn.Parameter(torch.zeros(figures))
        self.offsets: Tensor
        self.register_buffer("offsets", torch.from_numpy(texts.offsets), persistent=False)

    def places(self, examples: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """(B, L) number in the corpus of each token of these texts, and (B, L) bool, real ones."""
        begin, end = self.offsets[examples], self.offsets[examples + 1]
        places = begin[:, None] + torch.arange(length, device=begin.device)
        return places.clamp_max(len(self.numbers) - 1), places < end[:, None]

    @torch.no_grad()
    def rows(self, part: Part) -> Tensor:
        """(B, L) float32 numbers of a part's tokens, 0 at padding."""
        places, real = self.places(part.examples, part.tokens.shape[1])
        return self.numbers[places].float() * real


class Read(NamedTuple):
    """Texts that are read between epochs: (B, L) tokens, (B,) labels and numbers in the corpus."""

    tokens: Tensor
    labels: Tensor
    examples: Tensor


@dataclass(frozen=True)
class Rounds:
    """Passes over a worker's share of the training texts, before each epoch but the first.

    Attributes:
        rank, workers: whose share it is; add_up: sums a tensor over workers, in place.
        batch_size: of an update, over all workers.
    """

    target: AnyTarget
    texts: PackedTexts
    pad_id: int
    batch_size: int
    device: torch.device
    precision: Precision
    add_up: Callable[[Tensor], object]
    rank: int
    workers: int

    def due(self, step: int) -> bool:
        """Whether an epoch begins with this update, and it is not the first."""
        return step > 0 and step % self.epoch == 0

    @property
    def epoch(self) -> int:
        """Updates."""
        return batch_count(len(self.texts), self.batch_size)

    def batches(self) -> Iterator[Read]:
        """This worker's texts."""
        own = np.arange(self.rank, len(self.texts), self.workers)
        lengths = self.texts.take(own)
        for chosen in evaluation_batches(lengths, self.target.evaluation_batch):
            examples = own[chosen]
            yield Read(
                torch.from_numpy(self.texts.padded(examples, self.pad_id)).to(self.device),
                torch.from_numpy(self.texts.labels[examples]).to(self.device),
                torch.from_numpy(examples).to(self.device),
            )

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Within, the Target reads without dropout and without gradient."""
        cast = autocast(self.device, self.precision, self.target)
        with torch.no_grad(), evaluating(self.target), cast:
            yield

    def of_tokens(self, state: TokenState, measure: Callable[[Read], Tensor]) -> Tensor:
        """(T,) float32: what `measure` says of each batch, (B, L), of all workers' texts."""
        found = torch.zeros(len(state.numbers), device=self.device)
        with self.reading():
            for batch in self.batches():
                places, real = state.places(batch.examples, batch.tokens.shape[1])
                found[places[real]] = measure(batch)[real]
        self.add_up(found)
        return found
