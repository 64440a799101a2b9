"""The generated tickets: reproducible, balanced, and about as hard as they say."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from afa_ray.data.tickets import TEAMS, generate_tickets, write_tickets


def test_tickets_are_a_function_of_the_seed_with_equal_teams() -> None:
    first, again, other = (generate_tickets(202, seed) for seed in (0, 0, 1))
    assert first.texts == again.texts != other.texts
    assert np.array_equal(first.labels, again.labels)
    assert sorted(np.bincount(first.labels)) == [50, 50, 51, 51]


def test_logistic_regression_is_right_about_96_times_of_100() -> None:
    train, test = generate_tickets(600, 0), generate_tickets(1_000, 1)
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10))
    score = model.fit(train.texts, train.labels).score(test.texts, test.labels)
    assert 0.94 < score < 0.98


def test_the_file_has_the_same_tickets(tmp_path: Path) -> None:
    write_tickets(tmp_path / "tickets.csv", 50, seed=3)
    with (tmp_path / "tickets.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    tickets = generate_tickets(50, 3)
    assert [row["message"] for row in rows] == tickets.texts
    assert [TEAMS.index(row["team"]) for row in rows] == tickets.labels.tolist()
