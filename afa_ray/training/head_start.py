"""A Target that starts where a bag of words ends: what each word says for each class.

Fitted by gradient from random weights, a few hundred texts teach a Transformer less than they teach
TF-IDF with logistic regression. So that regression is fitted first, and its weights of words are
put into the word vectors, in as many directions as there are classes, from which values and
classifier read them: with the even attention of the start, the decision is about that of the bag of
words. Nothing else is added: attention is still the only way from words to decision, every weight
is trained on, and what a word says may be said louder by looking at it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from afa_ray.data.word2vec import INITIAL_SCALE
from afa_ray.models.target import Target

LOUDNESS = 3.0  # size of the evidence in the mean of a text's words, in `INITIAL_SCALE`
SLOPE = 0.3  # of the first logits
SAMPLE = 1_000  # texts that the evidence is measured on


@torch.no_grad()
def begin_with(
    target: Target, evidence: np.ndarray, tokens: np.ndarray, offsets: np.ndarray, seed: int
) -> None:
    """Have a fresh Target decide by `evidence` (V, C), as it is found in packed training texts.

    With U (d, C) random orthonormal directions: word vectors lose what they have along U and get
    evidence U^T; values pass through unchanged; the classifier is U^T.
    """
    offsets = offsets[: SAMPLE + 1]
    lengths = np.diff(offsets)[:, None]
    means = np.add.reduceat(evidence[tokens[: offsets[-1]]], offsets[:-1]) / lengths
    size = float(np.sqrt((means**2).sum(1).mean() / target.config.hidden_size))
    if not size:
        return  # no word says anything
    directions = _directions(target.config.hidden_size, evidence.shape[1], seed)
    for table in (target.words.weight, target.positions.weight):
        table -= table @ directions @ directions.T
    loudness = LOUDNESS * INITIAL_SCALE / size
    target.words.weight += loudness * torch.from_numpy(evidence) @ directions.T
    for layer in target.layers:
        attention = layer.self_attn
        values = attention.in_proj_weight.chunk(3)[2]
        for weight in (values, attention.out_proj.weight):
            torch.nn.init.eye_(weight)
    target.classifier.weight.copy_(SLOPE * directions.T)


def _directions(size: int, count: int, seed: int) -> Tensor:
    """(size, count) orthonormal columns; of unit length only, where they are more than `size`."""
    drawn = torch.randn(size, count, generator=torch.Generator().manual_seed(seed))
    return torch.linalg.qr(drawn)[0] if count <= size else drawn / drawn.norm(dim=0)
