"""A model, its tokenizer and its classes: predictions, and explanations of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from tokenizers import Encoding
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from afa_ray.classifier.explanation import Explanation
from afa_ray.classifier.methods import ATTENTION, joined, methods_of, scores_of
from afa_ray.classifier.words import Unit, find_units
from afa_ray.data.candidates import candidates_of
from afa_ray.errors import UserError
from afa_ray.models import EncodedTarget, OwnTarget, Target
from afa_ray.models.interface import reading_for
from afa_ray.models.loading import longest_text
from afa_ray.models.probing import UnreadableAttentionError

BATCH = 32  # texts
UNLIMITED = 10**6  # tokens: tokenizers say 10^30 where they do not know


class Prediction(NamedTuple):
    """The class of a text, its probability (0 to 1), and those of all classes."""

    label: str
    probability: float
    probabilities: dict[str, float]


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


class Classifier:
    """A text classifier in use; `afa_ray.load` opens one.

    Args:
        model: in eval mode, on its device: of ours, or any sequence classifier of transformers.
        tokenizer: as `data.tokenizer.load_tokenizer` gives it. name: to show.

    Attributes:
        reads: the model, with its attention row where it has one.
        labels: the classes, in order. max_length: the most tokens that the model reads of a text.
        reads_queries: whether each text must come with what it is read for.
        unreadable: why no attention row belongs to the model's decision; empty where one does.
    """

    def __init__(self, model: Any, tokenizer: PreTrainedTokenizerFast, name: str = "") -> None:
        self.model, self.tokenizer, self.name = model, tokenizer, name
        self.reads, self.unreadable = _with_row(model)
        config = model.config
        self.labels = [str(config.id2label[i]) for i in range(config.num_labels)]
        self.max_length = self._longest()
        self.reads_queries = isinstance(model, EncodedTarget) and bool(model.config.query)
        self.by_candidates = self.reads_queries and bool(model.config.candidates)

    def _longest(self) -> int:
        known = [self.tokenizer.model_max_length]
        if isinstance(self.model, Target):
            known.append(self.model.config.max_position_embeddings)
        elif (limit := longest_text(getattr(self.model, "model", self.model))) is not None:
            known.append(limit)
        return min(UNLIMITED, *known)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def predict(
        self,
        texts: Sequence[str],
        *,
        queries: Sequence[str] | None = None,
        batch_size: int = BATCH,
    ) -> list[Prediction]:
        """The class of each text.

        Args:
            queries: what each text is read for, a question or a hypothesis, where the model was
                trained on pairs. Where its classes are entities, a text's candidates are those that
                it names; all of them if it names none.

        Raises:
            UserError: a text or query that is none, or empty; queries for a model that reads texts
                alone, or none for one that does not.
        """
        found: list[Prediction | None] = [None] * len(texts)
        for batch in self._batches(require_texts(texts), queries, batch_size):
            for number, row in zip(batch.numbers, batch.probabilities.tolist(), strict=True):
                found[number] = self._prediction(row)
        return [prediction for prediction in found if prediction is not None]

    def explain(
        self,
        texts: Sequence[str],
        methods: Sequence[str] = (ATTENTION,),
        target: str | int | None = None,
        unit: Unit = "word",
        *,
        queries: Sequence[str] | None = None,
        batch_size: int = BATCH,
    ) -> list[Explanation]:
        """The class of each text, and what its words meant to it.

        Args:
            methods: names in `afa_ray.explainers.EXPLAINERS`; attention comes with the prediction
                and costs nothing beside it.
            target: the class to explain, by name or number; by default the predicted one.
            unit: "word", or "token" for each of the tokenizer's pieces.
            queries: see `predict`.

        Returns:
            One for each text, in order. A method that cannot explain this model is in `refused`.

        Raises:
            UserError: a text that is none, or empty; a method, class or unit that does not exist.
        """
        methods = methods_of(methods)
        goal = self.class_number(target)
        if unit not in ("word", "token"):
            raise UserError(f"unit = {unit}: must be word or token")
        found: list[Explanation | None] = [None] * len(texts)
        for batch in self._batches(require_texts(texts), queries, batch_size):
            for number, explanation in self._explained(batch, texts, methods, goal, unit):
                asked = None if queries is None else queries[number]
                found[number] = replace(explanation, query=asked)
        return [explanation for explanation in found if explanation is not None]

    def class_number(self, target: str | int | None) -> int | None:
        """The number of a class that is given by its name or number.

        Raises:
            UserError: there is no such class.
        """
        if target is None or target in self.labels:
            return None if target is None else self.labels.index(str(target))
        if str(target).isdecimal() and int(target) < len(self.labels):
            return int(target)
        raise UserError(
            f"target = {target}: there is no such class; give one of {', '.join(self.labels)}, or "
            f"its number from 0 to {len(self.labels) - 1}"
        )

    def _prediction(self, probabilities: list[float]) -> Prediction:
        best = int(np.argmax(probabilities))
        return Prediction(
            self.labels[best],
            probabilities[best],
            dict(zip(self.labels, probabilities, strict=True)),
        )

    def _encode(self, texts: Sequence[str]) -> list[Encoding]:
        backend = self.tokenizer.backend_tokenizer
        backend.no_padding()
        if self.max_length < UNLIMITED:
            backend.enable_truncation(self.max_length)
        backend.encode_special_tokens = self.tokenizer.split_special_tokens
        return backend.encode_batch(list(texts))

    def _batches(
        self, texts: Sequence[str], queries: Sequence[str] | None, size: int
    ) -> Iterator[Batch]:
        """The texts as the model has read them, those of similar length together."""
        asked = self._asked(texts, queries)
        encodings = self._encode(texts)
        order = sorted(range(len(texts)), key=lambda i: -len(encodings[i]))
        for start in range(0, len(order), size):
            numbers = order[start : start + size]
            query = None if asked is None else self._padded([asked[i] for i in numbers])[0]
            yield self._read(numbers, [encodings[i] for i in numbers], query)

    def _asked(self, texts: Sequence[str], queries: Sequence[str] | None) -> list[list[int]] | None:
        """The ids of the queries, with candidates; None of a model that reads texts alone.

        Raises:
            UserError: see `predict`.
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
        asked = [encoding.ids for encoding in self._encode(require_texts(queries, "query"))]
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

    def _explained(
        self,
        batch: Batch,
        texts: Sequence[str],
        methods: Sequence[str],
        goal: int | None,
        unit: Unit,
    ) -> Iterator[tuple[int, Explanation]]:
        """(number, explanation) of each of a batch's texts."""
        classes = batch.probabilities.argmax(-1)
        if goal is not None:
            classes = torch.full_like(classes, goal)
        units = [
            find_units(texts[n], encoding, unit)
            for n, encoding in zip(batch.numbers, batch.encodings, strict=True)
        ]
        found = {
            name: scores_of(name, self, batch, units, classes.to(self.device)) for name in methods
        }
        for i, number in enumerate(batch.numbers):
            read, encoding = units[i], batch.encodings[i]
            prediction = self._prediction(batch.probabilities[i].tolist())
            given = {name: each.scores[i] for name, each in found.items() if not each.refused}
            yield (
                number,
                Explanation(
                    text=texts[number],
                    words=[texts[number][a:b] for a, b in read.spans],
                    spans=read.spans,
                    pieces=[[encoding.tokens[t] for t in word] for word in read.tokens],
                    scores={name: joined(name, row, read) for name, row in given.items()},
                    label=prediction.label,
                    probability=prediction.probability,
                    probabilities=prediction.probabilities,
                    target=self.labels[int(classes[i])],
                    cost={name: found[name].seconds for name in given},
                    error={n: e[i] for n in given if (e := found[n].error) is not None},
                    refused={name: each.refused for name, each in found.items() if each.refused},
                    specials=[encoding.tokens[t] for t in read.specials],
                    special_scores={
                        name: [row[t] for t in read.specials] for name, row in given.items()
                    },
                    cut=read.cut,
                    model=self.name,
                ),
            )


def _with_row(model: Any) -> tuple[Any, str]:
    """The model as it gives its attention row, too; or as it is, and why it has none."""
    if isinstance(model, OwnTarget):
        return model, ""
    from afa_ray.models.pretrained import PretrainedTarget

    if isinstance(model, PretrainedTarget):
        return model, ""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model  # peft's
    before = base.config._attn_implementation
    try:
        return PretrainedTarget(base), ""
    except UnreadableAttentionError as error:
        base.set_attn_implementation(before)
        return model, str(error)


def require_texts(texts: Sequence[str], what: str = "text") -> Sequence[str]:
    """The texts, or whatever they are called, if they are.

    Raises:
        UserError: one text instead of several, something else than a text, or an empty one.
    """
    if isinstance(texts, str):
        raise UserError("texts: give a list of texts, [text] for one")
    for number, text in enumerate(texts, 1):
        if not isinstance(text, str):
            raise UserError(f"{what} {number} is {text!r}, not a text; leave it out")
        if not text.strip():
            raise UserError(f"{what} {number} is empty; give at least one word, or leave it out")
    return texts
