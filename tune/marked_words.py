"""What people marked in the test texts of a run, and what every explainer says of the same words.

Only texts that the classifier gets right are kept: people marked what speaks for the right class,
and that is then the class that is explained. A word is what the annotators were shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from afa_ray.classifier import Classifier, Explanation, load
from afa_ray.classifier.methods import LARGEST
from afa_ray.config import Settings
from afa_ray.data.corpus import read_raw
from afa_ray.data.texts import Texts
from afa_ray.errors import UserError
from afa_ray.explainers.asking import opened
from afa_ray.explainers.expnet import attention_features
from afa_ray.models.interface import Inputs
from afa_ray.whole_files import whole

BATCH = 32  # texts


@dataclass(frozen=True, eq=False)
class MarkedWords:
    """W words of some texts, and the P pieces that the classifier read them in.

    Attributes:
        text: (W,) int64, the number of each word's text, ascending; marked: (W,) bool.
        scores: (W,) float64 by method; seconds: of a text, by method.
        features: (P, F) float32 of each piece, see `attention_features`; word: (P,) its word.
    """

    text: np.ndarray
    marked: np.ndarray
    scores: dict[str, np.ndarray]
    seconds: dict[str, float]
    features: np.ndarray
    word: np.ndarray

    def save(self, path: Path) -> None:
        """Write the file, which is in its place once it is whole."""
        arrays = {
            **{name: getattr(self, name) for name in ("text", "marked", "features", "word")},
            **{f"score {name}": values for name, values in self.scores.items()},
            **{f"seconds {name}": np.array(value) for name, value in self.seconds.items()},
        }
        with whole(path) as unfinished, unfinished.open("wb") as file:
            np.savez_compressed(file, **arrays)

    @staticmethod
    def load(path: Path) -> MarkedWords:
        """What was saved there."""
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}

        def by_method(kind: str) -> dict[str, Any]:
            return {n.removeprefix(kind): v for n, v in found.items() if n.startswith(kind)}

        return MarkedWords(
            scores=by_method("score "),
            seconds={name: float(value) for name, value in by_method("seconds ").items()},
            **{name: found[name] for name in ("text", "marked", "features", "word")},
        )


def marked_texts(settings: Settings) -> Texts:
    """The test texts of a run in which some words are marked, and some are not.

    Raises:
        UserError: there are none.
    """
    test = read_raw(settings).test
    if test.marks is None:
        name = settings.data.name
        raise UserError(f"expnet.tasks: nothing is marked in the test texts of {name}")
    told = [0 < sum(marks) < len(marks) for marks in test.marks]
    return test.take(np.flatnonzero(told))


def measure(run: Path, settings: Settings, methods: Sequence[str], count: int) -> MarkedWords:
    """Every method's scores of the words of `count` texts, the same ones for the same classifier.

    A method that is not defined for the model is left out.
    """
    classifier = load(run)
    texts = marked_texts(settings)
    assert texts.words is not None
    assert texts.marks is not None
    whole = [" ".join(words) for words in texts.words]
    right = np.flatnonzero(
        [
            classifier.labels.index(each.label) == label
            for each, label in zip(classifier.predict(whole), texts.labels.tolist(), strict=True)
        ]
    )
    chosen = np.sort(np.random.default_rng(0).permutation(right)[:count]).tolist()
    found = classifier.explain([whole[i] for i in chosen], methods, batch_size=BATCH)
    words = [texts.words[i] for i in chosen]
    features, owner, read = _pieces(classifier, [whole[i] for i in chosen], words)
    starts = np.cumsum([0, *read])
    given = [name for name in methods if found and name in found[0].scores]
    by_text = [
        of_words(each, some, count, given)
        for each, some, count in zip(found, words, read, strict=True)
    ]
    return MarkedWords(
        text=np.repeat(np.arange(len(chosen)), read),
        marked=np.concatenate([texts.marks[i][:n] for i, n in zip(chosen, read, strict=True)]) == 1,
        scores={name: np.concatenate([each[name] for each in by_text]) for name in given},
        seconds={name: float(np.mean([each.cost[name] for each in found])) for name in given},
        features=features,
        word=np.concatenate([starts[i] + some for i, some in enumerate(owner)]),
    )


def places(words: Sequence[str]) -> np.ndarray:
    """The word that each character of the joined text belongs to; a space to the one before it."""
    lengths = [len(word) + 1 for word in words]
    return np.repeat(np.arange(len(words)), lengths)


def of_words(
    explanation: Explanation, words: Sequence[str], read: int, methods: Sequence[str]
) -> dict[str, np.ndarray]:
    """The scores of the first `read` words, of those of the units that they hold."""
    owner = places(words)
    found = {}
    for name in methods:
        largest = name in LARGEST
        joined = np.full(len(words), -np.inf if largest else 0.0)
        for (start, _), score in zip(explanation.spans, explanation.scores[name], strict=True):
            at = owner[start]
            joined[at] = max(joined[at], score) if largest else joined[at] + score
        found[name] = np.where(np.isneginf(joined), 0.0, joined)[:read]
    return found


def _pieces(
    classifier: Classifier, texts: Sequence[str], words: Sequence[Sequence[str]]
) -> tuple[np.ndarray, list[np.ndarray], list[int]]:
    """(P, F) features of all pieces, the word of each piece in its text, and how many words of each
    text the classifier read."""
    features: list[np.ndarray] = []
    owners: list[np.ndarray] = []
    for start in range(0, len(texts), BATCH):
        encoded = classifier.tokenizer(
            list(texts[start : start + BATCH]),
            truncation=True,
            max_length=classifier.max_length,
            padding=True,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
            return_tensors="pt",
        )
        ids, mask = (encoded[k].to(classifier.device) for k in ("input_ids", "attention_mask"))
        with torch.no_grad(), opened(classifier.reads) as model:
            found = attention_features(model, Inputs(ids, mask.bool())).cpu().numpy()
        inside = (encoded["attention_mask"] * (1 - encoded["special_tokens_mask"])).bool().numpy()
        begins = encoded["offset_mapping"][..., 0].numpy()
        for i, some in enumerate(words[start : start + BATCH]):
            features.append(found[i][inside[i]])
            owners.append(places(some)[begins[i][inside[i]]])
    return np.concatenate(features), owners, [int(owner.max()) + 1 for owner in owners]
