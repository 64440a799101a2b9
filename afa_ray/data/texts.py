"""Raw labelled texts: what every source of data, generated or read, hands to the tokenizer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from afa_ray.data.parquet_texts import ParquetTexts


@dataclass(frozen=True, eq=False)
class Texts:
    """One split of a labelled corpus, before tokenising.

    `texts` are in memory, or stay in their file. `labels`, (N,) int64, index
    `RawCorpus.label_names`. Where the corpus marks the words that carry the label,
    `words[i]` is the text split into words and `marks[i][j]` is 1 for a marked word, else 0; such a
    text is tokenised word by word so that the marks stay aligned. Otherwise both are None.
    `human[i][j]`, where more is known, is how much people attend to a word, at least 0: how many
    marked it, or how long they looked at it.
    `queries[i]`, where there are any, is what text i is read for: a question, a hypothesis.
    """

    texts: list[str] | ParquetTexts
    labels: np.ndarray
    words: list[list[str]] | None = None
    marks: list[list[int]] | None = None
    queries: list[str] | None = None
    human: list[list[float]] | None = None

    def __post_init__(self) -> None:
        assert len(self.texts) == len(self.labels)
        assert self.queries is None or len(self.queries) == len(self.texts)
        assert (self.words is None) == (self.marks is None)
        if self.words is not None and self.marks is not None:
            assert len(self.words) == len(self.marks) == len(self.texts)
            assert all(len(w) == len(m) for w, m in zip(self.words, self.marks, strict=True))
        if self.human is not None:
            assert self.marks is not None
            assert all(len(m) == len(h) for m, h in zip(self.marks, self.human, strict=True))

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, indices: np.ndarray) -> Texts:
        """The rows `indices`, which ascend."""
        texts = self.texts
        return Texts(
            texts=texts.take(indices)
            if isinstance(texts, ParquetTexts)
            else [texts[i] for i in indices],
            labels=self.labels[indices],
            words=None if self.words is None else [self.words[i] for i in indices],
            marks=None if self.marks is None else [self.marks[i] for i in indices],
            queries=None if self.queries is None else [self.queries[i] for i in indices],
            human=None if self.human is None else [self.human[i] for i in indices],
        )


@dataclass(frozen=True, eq=False)
class RawCorpus:
    """The splits of a data set. `validation` is None where the source has none.

    `notes` are sentences for the user on what was done to the data (duplicates dropped, a partial
    copy, …); they are printed and kept in the run's result.
    """

    name: str
    label_names: list[str]
    train: Texts
    validation: Texts | None
    test: Texts
    notes: tuple[str, ...] = ()
