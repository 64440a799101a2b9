"""`report.html` of a run: texts right and wrong, marks, figures, and nothing of the machine."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import afa_ray
from afa_ray import train as train_module
from afa_ray.config import Settings
from afa_ray.data.texts import Texts
from afa_ray.errors import UserError
from afa_ray.training import run_report
from tests.conftest import rows_of, small_texts
from tests.unit.test_classifier import save_single_layer

pytestmark = pytest.mark.usefixtures("fewer_texts")


@pytest.fixture
def classifier(tmp_path: Path) -> afa_ray.Classifier:
    return afa_ray.load(save_single_layer(tmp_path))


def labelled(classifier: afa_ray.Classifier, wrong: int, right: int) -> Texts:
    """Texts whose labels are such that so many are classified wrong."""
    texts = small_texts(wrong + right, 3)
    predicted = [classifier.labels.index(p.label) for p in classifier.predict(texts.texts)]
    labels = [1 - p if i < wrong else p for i, p in enumerate(predicted)]
    return replace(texts, labels=np.array(labels))


@pytest.mark.parametrize(
    ("wrong", "right", "shown"),
    [(20, 20, (6, 6)), (2, 20, (2, 10)), (20, 1, (11, 1)), (0, 3, (0, 3)), (3, 0, (3, 0))],
)
def test_a_dozen_right_and_wrong(
    classifier: afa_ray.Classifier, wrong: int, right: int, shown: tuple[int, int]
) -> None:
    found = run_report.explained(classifier, labelled(classifier, wrong, right))
    judged = [each.label == each.truth for each in found]
    assert (judged.count(False), judged.count(True)) == shown
    assert judged == sorted(judged)  # the wrong ones first
    assert {name for each in found for name in each.scores} == {
        "attention",
        "layers_ig",
        "leave_one_out",
    }


def test_marked_words(classifier: afa_ray.Classifier) -> None:
    """Of the text, whatever the tokenizer takes for words."""
    words, marks = ["it's", "superb", ",", "so-so"], [1, 0, 0, 1]
    examples = Texts([" ".join(words)], np.array([0]), [words], [marks])
    (found,) = run_report.explained(classifier, examples)
    assert found.words == ["it", "'", "s", "superb", ",", "so", "-", "so"]
    assert found.marks == [1, 1, 1, 0, 0, 1, 1, 1]
    assert run_report.marks_of(found, replace(examples, words=None, marks=None), 0) is None


def test_the_page_of_a_run(tiny_settings: Callable[..., Settings], tmp_path: Path) -> None:
    settings = tiny_settings(
        {"run.storage": str(tmp_path), "run.name": "one & only", "data.name": "reviews",
         "train.epochs": 1, "train.max_steps": 3}
    )  # fmt: skip
    result = train_module.train(settings)
    page = (tmp_path / "one & only" / "report.html").read_text()
    assert "<h1><bdi>one &amp; only</bdi></h1>" in page
    assert page.count("<article") == run_report.SHOWN
    assert f"<td>{result['test']['accuracy']:.4f}</td>" in page
    assert "<svg" in page
    assert ' m"' in page  # reviews mark words
    assert str(tmp_path) not in page
    classifier = afa_ray.load(tmp_path / "one & only")
    assert classifier.labels == result["data"]["labels"]


def test_another_model_beside_the_run_s(
    tiny_settings: Callable[..., Settings], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    def run(name: str, **more: object) -> str:
        settings = tiny_settings(
            {"run.storage": str(tmp_path), "run.name": name, "data.name": "reviews",
             "train.epochs": 1, "train.max_steps": 3, "train.seed": len(name), **more}
        )  # fmt: skip
        train_module.train(settings)
        return (tmp_path / name / "report.html").read_text()

    run("plain")
    page = run("with <b>", **{"evaluate.beside": str(tmp_path / "plain")})
    assert page.count("<article") == run_report.SHOWN
    assert "Beside it: plain." in page
    assert str(tmp_path) not in page
    shown = json.loads(re.search(r'id="data">(.*?)</script>', page).group(1))  # type: ignore[union-attr]
    assert {each["model"] for each in shown[::2]} == {"with <b>"}
    other = afa_ray.load(tmp_path / "plain")
    for own, beside in zip(shown[::2], shown[1::2], strict=True):
        assert (beside["text"], beside["truth"]) == (own["text"], own["truth"])
        assert beside["marks"] == own["marks"]
        (found,) = other.explain([own["text"]])
        assert beside["model"] == "plain"
        assert beside["label"] == found.label
        assert beside["scores"]["attention"] == pytest.approx(found.scores["attention"], abs=1e-5)


@pytest.mark.parametrize(
    ("beside", "complaint"),
    [
        ("{folder}/none", "evaluate.beside = .*/none: no such folder"),
        ("{folder}", "evaluate.beside = .*: this folder holds no model"),
        ("{folder}/other", "has the classes bad, good, and this run negative, neutral, positive"),
        ("a\0b", "evaluate.beside"),
    ],
)
def test_a_model_that_cannot_stand_beside(
    tiny_settings: Callable[..., Settings], tmp_path: Path, beside: str, complaint: str
) -> None:
    save_single_layer(tmp_path / "other")
    given = {"run.storage": str(tmp_path), "run.name": "run", "data.name": "reviews"}
    settings = tiny_settings({**given, "evaluate.beside": beside.format(folder=tmp_path)})
    with pytest.raises(UserError, match=complaint):
        train_module.train(settings)
    assert not (tmp_path / "run").exists()


def test_a_run_does_not_fail_for_its_page(
    tiny_settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> str:
        raise torch.OutOfMemoryError("no memory left")

    monkeypatch.setattr(run_report, "report", broken)
    settings = tiny_settings(
        {"run.storage": str(tmp_path), "run.name": "one", "train.epochs": 1, "train.max_steps": 3}
    )
    assert train_module.train(settings)["test"]["accuracy"] >= 0
    assert not (tmp_path / "one" / "report.html").exists()
    notes = (tmp_path / "one" / "metrics.jsonl").read_text()
    assert "report.html was not written (OutOfMemoryError: no memory left)" in notes


def test_examples_are_test_texts_as_they_are_written() -> None:
    from afa_ray.data.corpus import EXAMPLES, _examples

    texts = small_texts(250, 0)
    found = _examples(texts, 0)
    assert found is not None
    assert len(found) == EXAMPLES
    assert set(map(str, rows_of(found))) <= set(map(str, rows_of(texts)))
    assert _examples(replace(texts, queries=texts.texts), 0) is None
