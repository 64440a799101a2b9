"""A model, its tokenizer and its classes: predictions, and explanations of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from afa_ray.classifier.explanation import Explanation
from afa_ray.classifier.methods import ATTENTION, joined, methods_of, scores_of
from afa_ray.classifier.reader import Batch, TextReader, require_texts
from afa_ray.classifier.words import Unit, find_units
from afa_ray.errors import UserError

BATCH = 32  # texts


class Prediction(NamedTuple):
    """The class of a text, its probability (0 to 1), and those of all classes."""

    label: str
    probability: float
    probabilities: dict[str, float]


class Classifier:
    """A text classifier in use; `afa_ray.load` opens one.

    Args:
        model: in eval mode, on its device: of ours, or any sequence classifier of transformers.
        tokenizer: as `data.tokenizer.load_tokenizer` gives it. name: to show.
        labels: the classes, in order; by default those that the model's configuration names.

    Attributes:
        reads: the model, with its attention row where it has one.
        max_length: the most tokens that the model reads of a text.
        reads_queries: whether each text must come with what it is read for.
        unreadable: why no attention row belongs to the model's decision; empty where one does.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: PreTrainedTokenizerFast,
        name: str = "",
        labels: Sequence[str] | None = None,
    ) -> None:
        self.model, self.tokenizer, self.name = model, tokenizer, name
        names = model.config.id2label
        self.labels = list(labels or (str(names[i]) for i in range(model.config.num_labels)))
        self._reader = reader = TextReader(model, tokenizer, self.labels, name)
        self.reads, self.unreadable = reader.reads, reader.unreadable
        self.max_length, self.reads_queries = reader.max_length, reader.reads_queries

    @property
    def device(self) -> torch.device:
        return self._reader.device

    def predict(
        self,
        texts: Iterable[str],
        *,
        queries: Iterable[str] | None = None,
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
        texts, asked = require_texts(texts), _required(queries)
        found: list[Prediction | None] = [None] * len(texts)
        for batch in self._reader.batches(texts, asked, batch_size):
            for number, row in zip(batch.numbers, batch.probabilities.tolist(), strict=True):
                found[number] = self._prediction(row)
        return [prediction for prediction in found if prediction is not None]

    def explain(
        self,
        texts: Iterable[str],
        methods: Sequence[str] = (ATTENTION,),
        target: str | int | None = None,
        unit: Unit = "word",
        *,
        queries: Iterable[str] | None = None,
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
        texts, asked = require_texts(texts), _required(queries)
        found: list[Explanation | None] = [None] * len(texts)
        for batch in self._reader.batches(texts, asked, batch_size):
            for number, explanation in self._explained(batch, texts, methods, goal, unit):
                query = None if asked is None else asked[number]
                found[number] = replace(explanation, query=query)
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

    def _explained(
        self,
        batch: Batch,
        texts: list[str],
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
            name: scores_of(name, self._reader, batch, units, classes.to(self.device))
            for name in methods
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


def _required(queries: Iterable[str] | None) -> list[str] | None:
    return None if queries is None else require_texts(queries, "query")
