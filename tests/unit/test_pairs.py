"""Texts that are read for something: stories with questions, a user's own pairs, and what is said
where they cannot be read."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pyarrow.parquet import read_table
from torch import Tensor

import afa_ray
from afa_ray import explain
from afa_ray.config import Settings
from afa_ray.data.asked_texts import AskedTexts
from afa_ray.data.facts import FACT_NAMES, PEOPLE, ROOMS, SIZES, generate_facts
from afa_ray.dotted import override
from afa_ray.errors import UserError
from afa_ray.evaluation import adversarial_attention
from afa_ray.evaluation.adversarial_attention import search_loss
from afa_ray.evaluation.correlation import gradient_importance, importances
from afa_ray.evaluation.prediction import predict
from afa_ray.explaining.parts import TEXTS, lay_out, texts_of
from afa_ray.models.target_judge import TargetJudge
from afa_ray.records.fingerprints import corpus_fingerprints
from afa_ray.report.terminal import as_text
from afa_ray.serving.app import load_all
from afa_ray.train import main, train
from tests.conftest import raw_corpus
from tests.unit.test_encoders import batch, small_encoded


def answered(story: str, question: str) -> str:
    """The answer by following the story, sentence by sentence."""
    where: dict[str, str] = {}
    past: dict[str, list[str]] = {}
    holder: dict[str, str] = {}
    for sentence in story.split(" . "):
        words = sentence.removesuffix(" .").split()
        who = next(word for word in words if word in PEOPLE)
        room = next((word for word in words if word in ROOMS), None)
        what = next((word for word in words if word in ("lamp", "map", "violin")), None)
        if room:
            where[who] = room
            for thing, by in holder.items():
                if by == who:
                    past.setdefault(thing, []).append(room)
        elif "lifts" in words or "takes" in words:
            assert what is not None
            holder[what] = who
            if who in where and past.setdefault(what, [])[-1:] != [where[who]]:
                past[what].append(where[who])
        else:
            assert what is not None
            del holder[what]
    asked = question.split()
    if asked[2] in PEOPLE:
        return where[asked[2]]
    rooms = past[asked[3]]
    return rooms[-1] if "before" not in asked else rooms[rooms.index(asked[-2]) - 1]


@pytest.mark.parametrize("name", FACT_NAMES)
def test_answers_follow_from_the_story_and_from_the_marked_sentences(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SIZES == (8_000, 1_000)
    monkeypatch.setattr("afa_ray.data.facts.SIZES", (100, 400))
    corpus = generate_facts(name, 3)
    texts = corpus.test
    assert (len(corpus.train), len(texts)) == (100, 400)
    assert texts.queries is not None
    assert texts.marks is not None
    for story, question, label, marks in zip(
        texts.texts, texts.queries, texts.labels, texts.marks, strict=True
    ):
        assert answered(story, question) == ROOMS[label]
        sentences = [part for part in story.split(" . ") if part]
        ends = np.cumsum([len(s.removesuffix(" .").split()) + 1 for s in sentences])
        starts = [0, *ends[:-1]]
        marked = [int(marks[a]) for a in starts]
        assert sum(marked) == int(name[-1])
        assert all(set(marks[a:b]) == {m} for a, b, m in zip(starts, ends, marked, strict=True))
        needed = " . ".join(s for s, m in zip(sentences, marked, strict=True) if m)
        assert answered(needed, question) == ROOMS[label]
    counts = np.bincount(texts.labels, minlength=len(ROOMS))
    assert counts.min() > 30
    again = generate_facts(name, 3).test
    assert (again.texts, again.queries) == (texts.texts, texts.queries)
    assert generate_facts(name, 4).test.texts != texts.texts


STORY = "anna is here and emil is there today as on all other days"
ROWS = "question,text,label\nwhere is it,the hat is here,here\nwhere is it,the hat is there,there\n"


def files(tmp_path: Path, rows: str = ROWS, copies: int = 10) -> Path:
    head, *lines = rows.strip().split("\n")
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join([head, *lines * copies]) + "\n")
    return path


def test_a_users_own_pairs_are_read_row_by_row(tmp_path: Path) -> None:
    raw = raw_corpus("mine", seed=0, train_file=str(files(tmp_path)), query_column="question")
    for part in (raw.train, raw.test):
        assert part.queries == ["where is it"] * len(part)
    assert raw.label_names == ["here", "there"]
    parquet = tmp_path / "pairs.parquet"
    import pandas

    pandas.read_csv(files(tmp_path)).to_parquet(parquet)
    again = raw_corpus("mine", seed=0, train_file=str(parquet), query_column="question")
    assert again.train.queries == raw.train.queries


def test_mistakes_with_queries(tmp_path: Path) -> None:
    def said(rows: str = ROWS, **changes: Any) -> str:
        given = {"train_file": str(files(tmp_path, rows)), "query_column": "question"} | changes
        with pytest.raises(UserError) as error:
            raw_corpus("mine", seed=0, **given)
        return str(error.value)

    assert "has no column 'query'" in said(query_column="query")
    assert "The query column is 'text'" in said(query_column="text")
    missing = ROWS.replace("where is it,the hat is there", " ,the hat is there")
    assert "column 'question' holds no text in rows 2, 4" in said(missing)
    with pytest.raises(UserError, match="query_column = q: has no use with the set reviews"):
        raw_corpus("reviews", seed=0, query_column="q")


def test_a_model_that_reads_texts_alone_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--run.storage", str(tmp_path / "runs"), "--mlflow.uri", "none"]
    own = ["--data.train_file", str(files(tmp_path)), "--data.query_column", "question"]
    assert main([*words, *own]) == 2
    assert "target.name = transformer reads texts alone; give lstm, cnn or average" in (
        capsys.readouterr().err
    )
    assert main([*words, "--data.name", "facts-1"]) == 2
    assert "data.name = facts-1: each text has a question" in capsys.readouterr().err
    asked = ["--data.name", "facts-1", "--target.name", "lstm", "--supervision.method", "sana"]
    assert main([*words, *asked]) == 2
    assert "supervision.method = sana: reads texts alone" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_the_judge_reads_each_copy_for_the_same() -> None:
    model, inputs = small_encoded(query=True), batch()
    query = torch.randint(5, 40, (4, 3))
    classes = torch.tensor([0, 1, 2, 0])
    judged = TargetJudge(model)(inputs.tokens, torch.cat([classes[:, None], query], 1))
    logits = model.decide(model.embed(inputs), inputs._replace(query=query)).logits
    assert logits is not None
    chance = logits.softmax(-1).gather(1, classes[:, None])[:, 0]
    assert torch.allclose(judged.sigmoid(), 1 - chance, atol=1e-6)


def assert_the_command_reads_queries(classifier: afa_ray.Classifier, folder: Path) -> None:
    """Of a file, of parts that wait, and of texts one by one; the live page refuses the model."""
    model, file, out = str(folder / "a"), folder / "asked.csv", folder / "rows.jsonl"
    queries = ["who is there", "who is here", "who is there"]
    rows = [f"{query},{STORY}" for query in queries]
    file.write_text("\n".join(["q,t", rows[0], "who,", *rows[1:]]) + "\n")
    words = ["--file", str(file), "--text_column", "t", "--query_column", "q"]
    assert explain.main([model, *words, "--batch_size", "2", "--out", str(out)]) == 0
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(each["row"], each["label"]) for each in found] == [
        (1, "emil"), (3, "anna"), (4, "emil")
    ]  # fmt: skip
    expected = classifier.explain([STORY] * 3, queries=queries)
    assert [each["query"] for each in found] == queries
    assert_queries_are_shown(expected[0], model, words, folder)
    for each, other in zip(found, expected, strict=True):
        assert each["scores"]["attention"] == pytest.approx(other.scores["attention"], abs=1e-6)

    texts = AskedTexts(file=str(file), text_column="t", query_column="q")
    lay_out(folder, {}, texts.rows(), 2)
    parts = [list(texts_of(part)) for part in sorted((folder / TEXTS).iterdir())]
    assert parts == [list(texts.rows())[:2], list(texts.rows())[2:]]
    assert [row.query for part in parts for row in part] == queries

    def refused(*words: str) -> str:
        with pytest.raises(UserError) as error:
            explain.explain(explain.parse([model, *words]))
        return str(error.value)

    assert "trained on pairs; give what each text is read for: after each --text" in refused(
        "--text", STORY
    )
    assert "--query_column NAME" in refused(*words[:4])
    file.write_text(f"q,t\n,{STORY}\n")
    assert "row 1 of the column 'q' holds ''" in refused(*words)
    with pytest.raises(UserError, match=r"trained on pairs, .* --query_column or --query"):
        load_all([model], "cpu")


def assert_queries_are_shown(
    explained: afa_ray.Explanation, model: str, words: list[str], folder: Path
) -> None:
    """On the page, in the terminal, and in tables of their own column."""
    assert explained.query == "who is there"
    assert "Read for: <bdi>who is there</bdi>" in explained.to_html()
    assert "read for: who is there\n" in as_text(explained.to_dict()).plain
    for name in ("rows.csv", "rows.parquet"):
        assert explain.main([model, *words, "--out", str(folder / name)]) == 0
    with (folder / "rows.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert list(table[0])[:4] == ["row", "text", "query", "label"]
    assert [row["query"] for row in table] == ["who is there", "who is here", "who is there"]
    read = read_table(folder / "rows.parquet").to_pylist()
    assert [(row["text"], row["query"]) for row in read] == [
        (row["text"], row["query"]) for row in table
    ]


def test_pairs_are_trained_judged_and_kept_apart_by_their_queries(
    tmp_path: Path, tiny_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One text with two questions: only who reads the question can tell."""
    rows = [f"who is here,{STORY},anna", f"who is there,{STORY},emil"]
    lines = ["q,t,y", *rows * 60]
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join(lines) + "\n")
    settings = tiny_settings({
        "data.train_file": str(path), "data.name": "pairs", "data.query_column": "q",
        "data.text_column": "t", "data.label_column": "y", "target.name": "average",
        "target.embedding_size": 16, "target.hidden_size": 16, "train.target_lr": 2e-2,
        "train.epochs": 6, "run.storage": str(tmp_path), "run.name": "a",
        "discriminator.pairing": "contrast", "discriminator.judge": "target", "afa.k": 1,
    })  # fmt: skip
    with pytest.raises(UserError, match="judge = twin: learns from texts of other classes, which"):
        train(override(settings, {"discriminator.judge": "twin"}))
    assert not (tmp_path / "a").exists()
    train(settings)
    result = json.loads((tmp_path / "a" / "result.json").read_text())
    assert result["test"]["accuracy"] == 1
    assert result["baseline"]["accuracy"] < 0.7  # a bag of the text's words cannot
    from afa_ray.records.finished import open_finished

    target, corpus = open_finished(tmp_path / "a", settings, "cpu")
    assert (predict(target, corpus.test).numpy() == corpus.test.labels).all()
    assert corpus.test.queries is not None
    swapped = replace(corpus.test, queries=corpus.test.queries.take(
        np.array([int(np.flatnonzero(corpus.test.labels == 1 - y)[0]) for y in corpus.test.labels])
    ))  # fmt: skip
    assert (predict(target, swapped).numpy() == 1 - corpus.test.labels).all()
    classifier = afa_ray.load(tmp_path / "a")
    texts = [STORY] * 2
    queries = ["who is there", "who is here"]
    assert [each.label for each in classifier.predict(texts, queries=queries)] == ["emil", "anna"]
    methods = ("attention", "leave_one_out", "ig")
    found = classifier.explain(texts, methods, queries=queries)
    assert set(found[0].scores) == set(methods)
    assert found[0].scores["leave_one_out"] != found[1].scores["leave_one_out"]
    assert [each.label for each in found] == ["emil", "anna"]
    with pytest.raises(UserError, match="give queries"):
        classifier.predict(texts)
    with pytest.raises(UserError, match="1 for 2 texts"):
        classifier.predict(texts, queries=queries[:1])
    with pytest.raises(UserError, match="query 2 is empty"):
        classifier.predict(texts, queries=["who", " "])
    assert_the_command_reads_queries(classifier, tmp_path)
    digests = [corpus_fingerprints(replace(corpus, test=t))["test"] for t in (corpus.test, swapped)]
    assert digests[0] != digests[1]


def test_of_pairs_the_gradient_is_that_of_the_predicted_class() -> None:
    model, inputs = small_encoded(query=True, num_labels=3), batch()
    inputs = inputs._replace(query=torch.randint(5, 40, (4, 3)))
    predicted = model.decide(model.embed(inputs), inputs).logits.argmax(-1)
    found = importances(model, inputs)["gradient"]
    assert torch.allclose(found, gradient_importance(model, inputs, predicted))
    assert not torch.allclose(found, gradient_importance(model, inputs))


def test_of_pairs_the_search_for_other_attention_may_move_the_decision_further(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """.05 in place of .01, as published."""
    slacks = []

    def noted(rows: Tensor, own: Tensor, apart: Tensor, slack: float) -> Tensor:
        slacks.append(slack)
        return search_loss(rows, own, apart, slack)

    monkeypatch.setattr(adversarial_attention, "search_loss", noted)
    inputs = batch()
    once = {"seed": 0, "examples": torch.arange(4), "steps": 1}
    adversarial_attention.adversarial_rows(small_encoded(), inputs, **once)
    asked = inputs._replace(query=torch.randint(5, 40, (4, 3)))
    adversarial_attention.adversarial_rows(small_encoded(query=True), asked, **once)
    assert slacks == [0.01, 0.05]
    rows, own = torch.tensor([[[0.5, 0.5]]]), torch.tensor([[0.5, 0.5]])
    costs = [search_loss(rows, own, torch.tensor([[0.06]]), slack).item() for slack in (0.01, 0.05)]
    assert costs == pytest.approx([25, 5], abs=1e-3)
