"""The data of the study: two classes of AG News, generated stories, and how much of each."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from afa_ray.config import DataSettings
from afa_ray.data.facts import FACT_NAMES
from afa_ray.data.generated import MOCK_NAMES
from afa_ray.data.sources import load_raw
from afa_ray.data.texts import Texts

NUMBER = "qqq"  # what every number is read as
PAIR = ("World", "Business")  # of AG News, as published
SEED = 0  # of the generated sets


class Size(NamedTuple):
    """Training rows; the longest text in tokens; the fewest occurrences of a word that is known;
    epochs of parts a and b; standard deviation of word vectors at the start."""

    rows: int
    longest: int
    frequency: int
    epochs: int = 8
    std: float = 0.1


TEST = 1_000  # most test texts, drawn once

SIZES = {
    "sst2_sentences": Size(6_920, 64, 1),
    "imdb": Size(6_000, 128, 5),
    "ag_news_pair": Size(2_000, 64, 2),
    **dict.fromkeys(FACT_NAMES, Size(3_000, 160, 1, epochs=25)),
    **dict.fromkeys(MOCK_NAMES, Size(7_200, 128, 1, std=1.0)),
}


def write_files(data: str, rows: int, seed: int, folder: Path) -> list[str]:
    """Write `train.csv` and `test.csv`; returns the settings with which they are read.

    Args:
        rows: at most so many training rows, drawn with the seed.
    """
    name = "ag_news" if data == "ag_news_pair" else data
    raw = load_raw(DataSettings(name=name, dir=os.environ.get("AFA_DATA_DIR")), seed=SEED)
    train, test = raw.train, raw.test
    if data == "ag_news_pair":
        both = [raw.label_names.index(name) for name in PAIR]
        train, test = (x.take(np.flatnonzero(np.isin(x.labels, both))) for x in (train, test))
    order = np.random.default_rng([1, seed]).permutation(len(train))
    train = train.take(np.sort(order[:rows]))
    drawn = np.random.default_rng(SEED).permutation(len(test))
    test = test.take(np.sort(drawn[:TEST]))
    settings = []
    for name, texts in (("train", train), ("test", test)):
        _write(folder / f"{name}.csv", texts, raw.label_names)
        settings += [f"--data.{name}_file", str(folder / f"{name}.csv")]
    if train.queries is not None:
        settings += ["--data.query_column", "query"]
    return settings


def _write(path: Path, texts: Texts, names: list[str]) -> None:
    queries = [""] * len(texts) if texts.queries is None else texts.queries
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("text", "label", "query"))
        for text, label, query in zip(texts.texts, texts.labels, queries, strict=True):
            table.writerow((re.sub(r"\d+", NUMBER, text), names[label], query))
