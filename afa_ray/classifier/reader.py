"""How a classifier reads texts: tokenised, in batches of similar length, with what they are for."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from tokenizers import Encoding
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from afa_ray.data.candidates import candidates_of
from afa_ray.data.invisible import is_invisible, is_unicode
from afa_ray.errors import UserError
from afa_ray.models import EncodedTarget, OwnTarget, Target
from afa_ray.models.interface import reading_for
from afa_ray.models.loading import longest_text
from afa_ray.models.opened import without_adapters
from afa_ray.models.probing import UnreadableAttentionError

UNLIMITED = 10**6  # tokens: tokenizers say 10^30 where they do not know


class Batch(NamedTuple):
    """`numbers` of the texts; encodings; (B, L) ids and mask; (B, C) probabilities; (B, L) row; and
    (B, Q) ids of what the texts are read for, where there is anything."""

    numbers: list[int]
    encodings: list[Encoding]
    ids: Tensor
    mask: Tensor
    probabilities: Tensor
    row: Tensor | None
    seconds: float
    query: Tensor | None = None


class TextReader:
    """A model and its tokenizer.

    Args:
        model, tokenizer, labels, name: see `Classifier`.

    Attributes:
        reads, max_length, reads_queries, unreadable: see `Classifier`.
        by_candidates: whether a text's candidates are read behind its query.
    """

    def __init__(
        self, model: Any, tokenizer: PreTrainedTokenizerFast, labels: list[str], name: str
    ) -> None:
        self.model, self.tokenizer, self.labels, self.name = model, tokenizer, labels, name
        self.reads, self.unreadable = _with_row(model)
        self.max_length = self._longest()
        self.reads_queries = isinstance(model, EncodedTarget) and bool(model.config.query)
        self.by_candidates = self.reads_queries and bool(model.config.candidates)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def batches(self, texts: list[str], queries: list[str] | None, size: int) -> Iterator[Batch]:
        """The texts, which `require_texts` has seen, as the model has read them, those of similar
        length together.

        Raises:
            UserError: see `Classifier.predict`.
        """
        if type(size) is not int or size < 1:
            raise UserError(f"batch_size = {size}: must be a whole number of at least 1")
        asked = self._asked(texts, queries)
        encodings = self._encode(texts)
        order = sorted(range(len(texts)), key=lambda i: -len(encodings[i]))
        for start in range(0, len(order), size):
            numbers = order[start : start + size]
            query = None if asked is None else self._padded([asked[i] for i in numbers])[0]
            yield self._read(numbers, [encodings[i] for i in numbers], query)

    def _longest(self) -> int:
        known = [self.tokenizer.model_max_length]
        if isinstance(self.model, Target):
            known.append(self.model.config.max_position_embeddings)
        elif (limit := longest_text(getattr(self.model, "model", self.model))) is not None:
            known.append(limit)
        return min(UNLIMITED, *known)

    def _encode(self, texts: Sequence[str]) -> list[Encoding]:
        backend = self.tokenizer.backend_tokenizer
        backend.no_padding()
        if self.max_length < UNLIMITED:
            backend.enable_truncation(self.max_length)
        backend.encode_special_tokens = self.tokenizer.split_special_tokens
        return backend.encode_batch(list(texts))

    def _asked(self, texts: Sequence[str], queries: Sequence[str] | None) -> list[list[int]] | None:
        """The ids of the queries, with candidates; None of a model that reads texts alone.

        Raises:
            UserError: see `Classifier.predict`.
        """
        if self.reads_queries != (queries is not None):
            has = "was trained on pairs: give queries, what each text is read for"
            raise UserError(
                f"{self.name or 'the model'}: "
                + (has if self.reads_queries else "reads texts alone: leave queries out")
            )
        if queries is None:
            return None
        if len(queries) != len(texts):
            raise UserError(f"queries: {len(queries)} for {len(texts)} texts; give one for each")
        asked = [encoding.ids for encoding in self._encode(queries)]
        if not self.by_candidates:
            return asked
        first = self.model.config.vocab_size
        return [
            [*ids, *(first + number for number in candidates_of(text, self.labels))]
            for ids, text in zip(asked, texts, strict=True)
        ]

    def _padded(self, rows: list[list[int]]) -> tuple[Tensor, Tensor]:
        """(n, L) ids, and 1 at real tokens, on the device."""
        length = max(1, *map(len, rows)) if rows else 1
        ids = np.full((len(rows), length), self.model.config.pad_token_id, np.int64)
        mask = np.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1
        return torch.from_numpy(ids).to(self.device), torch.from_numpy(mask).to(self.device)

    @torch.no_grad()
    def _read(self, numbers: list[int], encodings: list[Encoding], query: Tensor | None) -> Batch:
        began = time.perf_counter()
        tokens, present = self._padded([encoding.ids for encoding in encodings])
        output = self.reads(input_ids=tokens, attention_mask=present, **reading_for(query))
        probabilities = output.logits.float().softmax(-1).cpu()
        row = None if self.unreadable else output.attention_row.float().cpu()
        seconds = time.perf_counter() - began
        return Batch(numbers, encodings, tokens, present, probabilities, row, seconds, query)


def _with_row(model: Any) -> tuple[Any, str]:
    """The model as it gives its attention row, too; or as it is, and why it has none."""
    if isinstance(model, OwnTarget):
        return model, ""
    from afa_ray.models.pretrained import PretrainedTarget

    if isinstance(model, PretrainedTarget):
        return model, ""
    base = without_adapters(model)
    before = base.config._attn_implementation
    try:
        return PretrainedTarget(base), ""
    except UnreadableAttentionError as error:
        base.set_attn_implementation(before)
        return model, str(error)


def require_texts(texts: Iterable[str], what: str = "text") -> list[str]:
    """The texts, or whatever they are called, if they are.

    Raises:
        UserError: one text instead of several, something else than a text, or an empty one.
    """
    if isinstance(texts, str):
        raise UserError("texts: give a list of texts, [text] for one")
    texts = list(texts)
    for number, text in enumerate(texts, 1):
        if not isinstance(text, str):
            raise UserError(f"{what} {number} is {text!r}, not a text; leave it out")
        if is_invisible(text):
            raise UserError(f"{what} {number} is empty; give at least one word, or leave it out")
        if not is_unicode(text):
            raise UserError(
                f"{what} {number} has half of a character pair, which is no Unicode; mend it"
            )
    return texts
