"""`python -m afa_ray.audit`: tests of attention over a run's texts, as a page."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from transformers import AutoModelForSequenceClassification

import afa_ray
from afa_ray import audit
from afa_ray.command_line import parse
from afa_ray.config import Settings
from afa_ray.data.tokenizer import special_ids
from afa_ray.dotted import override
from afa_ray.evaluation.agreement import AGREEMENT
from afa_ray.evaluation.audit import TESTS, interval
from afa_ray.evaluation.comparisons import run_classification, run_explainers, run_plausibility
from afa_ray.evaluation.erasure import ERASURE
from afa_ray.evaluation.one_pass import figure
from afa_ray.evaluation.prediction import predict
from afa_ray.explainers import EXPLAINERS
from afa_ray.progress import ignored
from afa_ray.records.audited import data_digest, model_digest
from afa_ray.records.finished import open_finished
from afa_ray.records.run_lock import own_folder
from afa_ray.report.audit import audit_html, markdown, verdict
from afa_ray.report.audit_rows import ROWS
from afa_ray.report.audit_words import SENTENCES
from afa_ray.report.drawings import curve, heat, histogram, reach, scale, violins
from afa_ray.train import train
from afa_ray.training.audit_cluster import AuditWorker, Outcome, Part
from afa_ray.training.bench import Bench
from afa_ray.training.one_test import in_words
from tests.conftest import small_texts, with_values
from tests.families import save_tiny
from tests.tokenizers import byte_pairs, word_pieces

pytestmark = pytest.mark.usefixtures("fewer_texts")

STEPS, LN2 = 5, math.log(2)


@pytest.fixture
def run(tiny_settings: Any, tmp_path: Path) -> Path:
    settings = tiny_settings({"run.storage": str(tmp_path), "run.name": "<b>run",
                              "train.max_steps": 2, "mlflow.uri": "none"})  # fmt: skip
    train(with_values(settings, **{"evaluate.texts": 4}))
    return tmp_path / "<b>run"


@pytest.fixture(autouse=True)
def short_search(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = audit_rows()
    monkeypatch.setattr("afa_ray.evaluation.audit.adversarial_rows", rows)


def audit_rows() -> Any:
    from afa_ray.evaluation.adversarial_attention import adversarial_rows

    return lambda *given, **options: adversarial_rows(*given, **options, steps=STEPS)


def test_intervals_by_hand() -> None:
    assert interval(np.array([0.0, 1.0, 0.0, 1.0])) == {
        "mean": 0.5, "half_width": pytest.approx(1.96 * np.sqrt(1 / 3) / 2), "texts": 4
    }  # fmt: skip
    assert interval(np.array([]))["texts"] == 0


def test_an_audit_is_written_and_gone_on_with(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [str(run), "--texts", "6", "--tests", "permutation,correlation"]
    assert audit.main(words) == 0
    (found,) = json.loads((run / "audit" / "audit.json").read_text()).values()
    assert set(found["tests"]) == {"permutation", "correlation"}
    figures = found["tests"]["correlation"]["figures"]["pairs"]
    assert set(figures) == {
        "attention and gradient", "attention and deletion", "gradient and deletion"
    }  # fmt: skip
    assert all(sum(each["histogram"]) == each["texts"] for each in figures.values())
    for each in figures.values():
        assert sum(x["texts"] for x in each["by_class"].values()) == each["texts"]
    assert found["tests"]["permutation"]["figures"]["moved"]["texts"] == found["texts"] == 6
    page = (run / "audit" / "report.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;run" in page
    assert "<b>run" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "Shuffling attention" in capsys.readouterr().out

    again = TESTS["permutation"]._replace(run=lambda *_: pytest.fail("it was done already"))
    monkeypatch.setitem(TESTS, "permutation", again)
    assert audit.main([*words[:-1], "permutation,adversarial"]) == 0
    (found,) = json.loads((run / "audit" / "audit.json").read_text()).values()
    assert list(found["tests"]) == ["permutation", "correlation", "adversarial"]
    counts = found["tests"]["adversarial"]["figures"]["histogram"]
    assert (len(counts), sum(counts)) == (40, 6)
    assert all(each in markdown([found]) for each in verdict(found))
    assert audit_html([found]).count("<svg") == 2  # violins and histogram


def test_figures_by_class_are_said_where_there_are_several() -> None:
    of = {"half_width": 0.1, "significant": 0.5}
    by = {
        "a": {"mean": 0.1, "texts": 2},
        "b": {"mean": 0.3, "texts": 3},
        "c": {"mean": 0, "texts": 0},
    }
    pair = {"mean": 0.2, "texts": 5, "constant": 0, **of, "by_class": by}

    def said(**changes: int) -> str:
        ((_, value),) = ROWS["correlation"]({"pairs": {"attention and gradient": pair | changes}})
        return value

    assert said().endswith("50% of texts; by predicted class b 0.30, a 0.10")
    assert said(constant=2).endswith("a 0.10; 2 texts whose words are all alike are left out")
    assert said(constant=9, texts=0) == "none: 9 texts whose words are all alike are left out"


def test_nothing_is_said_that_was_not_found() -> None:
    none = {"texts": 0, "mean": math.nan}
    pairs = {"attention and deletion": none, "gradient and deletion": none}
    assert "is not said" in SENTENCES["correlation"]({"pairs": pairs})

    def attefa(value: float, moved: float) -> str:
        figures = {"attefa": {"mean": value}, "sjsd": {"mean": moved}}
        return SENTENCES["attefa"](figures)

    assert "moved 20% as far as its attention" in attefa(0.2, 0.4)
    assert "moved at least as far as its attention" in attefa(1.0, 0.4)
    assert "hardly attend elsewhere (0.01, of 1 at most)" in attefa(1.0, 0.01)
    alone = {"mean": 0.9, "half_width": math.nan, "seeds": 1}
    even = {"trained": {"learned": alone, "even": alone}}
    assert "of one model each, so that nothing follows" in SENTENCES["even"](even)
    methods = {name: {"comprehensiveness": {"mean": x}} for name, x in
               (("attention", -0.001), ("random", 0.2))}  # fmt: skip
    said = SENTENCES["explainers"]({"methods": methods})
    assert said.endswith("falls by 0.00; by 0.20 without random ones.")


def test_cases_are_shown_in_words() -> None:
    text = "schön très bon!"
    for make in (word_pieces, byte_pairs):
        tokenizer = make(small_texts(40, 5).texts)
        ids = tokenizer(text)["input_ids"]
        n = len(ids)
        case = {"divergence": 0.6, "ids": ids, "query": [], "real": [1 / n] * n, "other": [0.0] * n}
        found = in_words(case, tokenizer)
        assert sum(found["real"]) == pytest.approx(1)
        assert len(found["real"]) == len(found["other"]) == len(found["words"]) <= n
        assert found["query"] == ""
    assert [word for word in found["words"] if word in text.split()] == ["schön", "très", "bon!"]


def test_bars_fill_their_drawing() -> None:
    bars = histogram([0, 2, 1, 0])
    assert [bar["high"] for bar in bars] == [0, 120, 60, 0]
    assert [bar["y"] for bar in bars] == [120, 0, 60, 120]


def test_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*words: str) -> str:
        assert audit.main(words) == 2
        return capsys.readouterr().err

    assert "is not the folder of a complete run" in said(str(tmp_path))
    assert "seeds = 0: must be at least 1" in said(str(tmp_path), "--seeds", "0")
    assert "train-texts = -1: must be at least 0" in said(str(tmp_path), "--train-texts", "-1")
    assert "choose-on: invalid choice" in said(str(tmp_path), "--choose-on", "train")
    assert "tests = tau: there is no such test" in said(str(tmp_path), "--tests", "tau")
    assert "texts = -1: must be at least 0" in said(str(tmp_path), "--texts", "-1")
    assert "workers = -1: must be at least 0" in said(str(tmp_path), "--workers", "-1")
    assert "seed = -1: must be between 0 and 4294967295" in said(str(tmp_path), "--seed", "-1")
    assert "did you mean --texts?" in said(str(tmp_path), "--text", "3")
    assert not list(tmp_path.iterdir())


def test_options_may_be_named_as_those_of_other_commands_are() -> None:
    given = audit.options_of(
        ["run", "--audit.texts", "7", "--audit.workers=2", "--tests", "even,even"]
    )
    assert (given.texts, given.workers, given.tests) == (7, 2, ["even"])


def test_tests_that_train_are_done_by_name_and_again_with_other_limits(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("afa_ray.training.bench.EPOCHS", 1)
    monkeypatch.setattr("afa_ray.training.bench.UPDATES", 1)
    words = [str(run), "--texts", "6", "--train-texts", "30", "--epochs", "1", "--seeds", "2"]
    assert audit.main([*words, "--tests", "attefa,even,guided,departure"]) == 0
    (found,) = json.loads((run / "audit" / "audit.json").read_text()).values()
    assert list(found["tests"]) == ["attefa", "even", "guided", "departure"]
    assert found["tests"]["attefa"]["figures"]["attefa"]["seeds"] == 2
    page = (run / "audit" / "report.html").read_text(encoding="utf-8")
    assert all(sentence in unescape(page) for sentence in verdict(found))
    assert page.count("<svg") == 2  # the bar of AtteFa, the curve
    with monkeypatch.context() as patch:
        patch.setattr("afa_ray.training.bench.fit", lambda *_: pytest.fail("trained again"))
        assert audit.main([*words, "--tests", "attefa,even,guided,departure"]) == 0
        assert audit.main([*words[:-1], "1", "--tests", "attefa"]) == 0  # the first of the two
    (found,) = json.loads((run / "audit" / "audit.json").read_text()).values()
    assert found["tests"]["attefa"]["figures"]["attefa"]["seeds"] == 1
    assert found["tests"]["attefa"]["figures"]["attefa"]["half_width"] is None  # of one: nan


def test_one_audit_at_a_time_works_in_a_folder(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with own_folder(run / "audit", setting="out"):
        assert audit.main([str(run), "--texts", "3"]) == 2
    said = capsys.readouterr().err
    assert "out = audit: process" in said
    assert "give another out" in said


def test_an_interrupted_audit_keeps_what_it_has_and_says_so(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(TESTS, "adversarial", TESTS["adversarial"]._replace(run=interrupt))
    assert audit.main([str(run), "--texts", "4", "--tests", "permutation,adversarial"]) == 130
    assert f"the same command goes on with {run / 'audit'}" in capsys.readouterr().err
    assert list(found_of(run)) == ["permutation"]


def test_data_that_have_changed_since_training_are_refused(
    tiny_settings: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Words and classes would have other numbers than the model's."""
    for name, count, seed in (("train", 60, 1), ("test", 20, 2)):
        rows = small_texts(count, seed)
        lines = [f"{text},{label}" for text, label in zip(rows.texts, rows.labels, strict=True)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    settings = tiny_settings({"run.storage": str(tmp_path), "run.name": "run", "train.epochs": 1})
    train(with_values(settings, **{"data.name": "mine", "data.train_file": tmp_path / "train.csv",
                                   "data.test_file": tmp_path / "test.csv"}))  # fmt: skip
    with (tmp_path / "train.csv").open("a") as file:
        file.write("more words than there were,1\n")
    assert audit.main([str(tmp_path / "run"), "--texts", "3"]) == 2
    said = capsys.readouterr().err
    assert "the training texts are not those that run run was started with" in said
    assert not (tmp_path / "run" / "audit").exists()


def test_what_a_models_figures_depend_on_makes_another_audit(tmp_path: Path) -> None:
    name = a_classifier(tmp_path / "bert", {0: "good", 1: "bad"})
    before = model_digest(name)
    (Path(name) / "README.md").write_text("a card")
    assert model_digest(name) == before
    config = Path(name) / "config.json"
    config.write_text(config.read_text().replace('"good"', '"fine"'))
    assert model_digest(name) != before


def test_adapters_are_a_complete_run(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("data:\n  name: reviews\n")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "adapter_model.safetensors").touch()
    run, _ = audit._model(tmp_path, audit.options_of([str(tmp_path)]))
    assert run == tmp_path


def found_of(run: Path) -> dict[str, Any]:
    (found,) = json.loads((run / "audit" / "audit.json").read_text()).values()
    return {name: test["figures"] for name, test in found["tests"].items()}


def test_workers_find_what_one_process_finds_and_what_they_found_stays(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The parts in the order that suits worst; an audit that is cut short goes on after them."""
    monkeypatch.setattr("afa_ray.training.bench.EPOCHS", 1)
    monkeypatch.setattr("afa_ray.training.bench.UPDATES", 1)
    done: list[Part] = []
    lasts = 5  # parts, then the process is killed

    def workers(benches: list[Bench], parts: list[Part], *_: Any) -> Iterator[Outcome]:
        worker = AuditWorker("cpu")
        worker._benches = dict(enumerate(benches))
        for number, part in enumerate(reversed(parts)):
            if number == lasts:
                raise KeyboardInterrupt
            done.append(part)
            yield worker.find(part, [])

    monkeypatch.setattr("afa_ray.training.audit_cluster.found_by_workers", workers)
    words = [str(run), "--texts", "6", "--train-texts", "30", "--epochs", "1", "--seeds", "2"]
    words += ["--tests", "permutation,attefa,even,correlation"]
    assert audit.main([*words, "--workers", "2"]) != 0
    (kept,) = json.loads((run / "audit" / "audit.json").read_text()).values()
    assert list(kept["tests"]) == ["correlation"]
    lasts = 100
    assert audit.main([str(run), *words, "--workers", "2"]) == 0  # the same run twice, found once
    assert len(done) == len(set(done)) == 1 + 1 + 2 + 4
    shared = found_of(run)
    shutil.rmtree(run / "audit")
    assert audit.main(words) == 0
    assert found_of(run) == shared
    assert set(shared) == {"permutation", "attefa", "even", "correlation"}
    capsys.readouterr()


def test_a_test_is_done_again_for_other_data(
    run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words = [str(run), "--texts", "6", "--tests", "permutation"]
    assert audit.main(words) == 0
    monkeypatch.setattr("afa_ray.records.audited.file_fingerprints", lambda settings: {"a": 1})
    assert audit.main(words) == 0
    first, second = json.loads((run / "audit" / "audit.json").read_text())
    assert first.partition(", data ")[0] == second.partition(", data ")[0]
    assert first != second


def test_a_copy_of_a_run_is_tested_once_and_has_its_own_name(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(run, run.with_name("copy"))
    assert audit.main([str(run), str(copy), "--texts", "6", "--tests", "permutation"]) == 0
    assert len(json.loads((run / "audit" / "audit.json").read_text())) == 1
    assert [line for line in capsys.readouterr().out.splitlines() if line[0] != " "][:2] == [
        "<b>run", "copy",
    ]  # fmt: skip


def test_data_are_what_they_are_wherever_they_lie(tmp_path: Path) -> None:
    def digest(folder: str, text: str, **changes: Any) -> str:
        file = tmp_path / folder / "a.csv"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"text,label\n{text},1\n")
        return data_digest(override(Settings(), {"data.train_file": str(file), **changes}))

    assert digest("one", "good") == digest("two", "good") != digest("one", "bad")
    assert digest("one", "good") != digest("one", "good", **{"data.min_frequency": 2})


def test_drawings_by_hand() -> None:
    bins = [
        {"from": 0.0, "to": 0.5, "spread": {"a": [2, 0], "b": [0, 0]}},
        {"from": 0.5, "to": 1.0, "spread": {"b": [1, 1]}},
    ]
    assert reach(bins) == (2, 1)
    assert reach([{"spread": {"a": [3, 1, 0, 0]}}]) == (2, 0.5)
    one, two = violins(bins)
    assert (one["label"], two["label"]) == ("a", "b")
    right, left = "95.0,120.0 95.0,60.0 50.0,60.0 50.0,0.0", "50.0,0.0 50.0,60.0 5.0,60.0 5.0,120.0"
    assert one["points"] == f"{right} {left}"  # around 50, 45 to a side
    assert two["points"].startswith("395.0,120.0 395.0,60.0 395.0,60.0 395.0,0.0")
    flat = violins([{"from": 0.0, "to": 1.0, "spread": {"a": [3]}}])  # has an area, too
    assert flat[0]["points"] == "380.0,120.0 380.0,0.0 20.0,0.0 20.0,120.0"
    found = curve([{"lambda": 0, "tvd": 0.0, "jsd": 0.0}, {"lambda": 1, "tvd": 0.2, "jsd": LN2}])
    assert found["line"] == "0.0,120.0 400.0,0.0"
    bar = scale({"mean": 0.9, "half_width": 0.2}, [("an LSTM", 0.25)])
    assert (bar["wide"], bar["low"], bar["high"]) == (360, pytest.approx(280), 400)
    assert bar["marks"] == [{"x": 100, "label": "an LSTM 0.250", "end": False}]
    assert [word["dark"] for word in heat(["a", "b"], [0.1, 0.4])] == [0.25, 1]


def test_published_figures_stand_beside_ours_and_words_are_escaped() -> None:
    of = {"mean": 0.2, "half_width": 0.1, "deviation": 0.1, "seeds": 9}
    words = {"asks": "?", "high": "h", "low": "l", "source": "s"}
    figures = {"attefa": of, "stvd": of, "sjsd": of, "chosen on": "validation"}
    case = {
        "divergence": 0.6, "query": "<u>who", "words": ["<i>", "b"],
        "real": [1.0, 0.0], "other": [0.0, 1.0],
    }  # fmt: skip
    adversarial = {
        "divergence": of, "above": {"0.5": 1.0}, "possible": {"0.5": 1.0},
        "histogram": [1], "cases": [case],
    }  # fmt: skip
    found = {
        "model": "m", "texts": 1, "data": "imdb",
        "tests": {
            "attefa": {"figures": figures, "published": {"an LSTM": 0.0769}, **words},
            "adversarial": {"figures": adversarial, **words},
        },
    }  # fmt: skip
    page = audit_html([found])
    assert "| published: an LSTM | 0.0769 |" in markdown([found])
    assert "an LSTM 0.077" in page
    assert "; the lines across are published figures." in page
    found["tests"]["attefa"].pop("published")
    page_of_own_data = audit_html([found])
    assert "From 0 to 1, with the interval." in page_of_own_data
    assert "published figures" not in page_of_own_data
    assert "<i>" not in page.replace("<i>b", "")
    assert "&lt;i&gt;" in page
    assert "Read for: &lt;u&gt;who" in page


def a_classifier(folder: Path, labels: dict[int, str]) -> str:
    """A tiny BERT that nobody here trained, saved as transformers does."""
    tokenizer = word_pieces(small_texts(240, 5).texts)
    name = save_tiny("bert", folder, tokenizer)
    model = AutoModelForSequenceClassification.from_pretrained(
        name, id2label=labels, ignore_mismatched_sizes=True
    )
    model.save_pretrained(name)
    return name


def test_another_classifier_is_audited_with_its_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its classes stand in its own order; the file need not have them all."""
    monkeypatch.chdir(tmp_path)
    name = a_classifier(tmp_path / "bert", {0: "good", 1: "fair", 2: "bad"})
    rows = small_texts(40, 1)
    names = [("bad", "good")[label] for label in rows.labels]
    lines = [f"{text},{label}" for text, label in zip(rows.texts, names, strict=True)]
    Path("test.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    data = ["--data.name", "mine", "--data.test_file", "test.csv"]
    said = ["--texts", "0", "--tests", "classification,explainers"]
    assert audit.main([name, *data, *said]) == 0
    found = json.loads(Path("audit/audit.json").read_text())
    (tests,) = [each["tests"] for each in found.values()]
    predicted = afa_ray.load(name).predict(list(rows.texts))
    right = np.mean([each.label == label for each, label in zip(predicted, names, strict=True)])
    assert tests["classification"]["figures"]["accuracy"]["mean"] == pytest.approx(right)
    assert "Its attention is the last layer's" in Path("audit/audit.md").read_text()
    capsys.readouterr()

    def refused(*words: str) -> str:
        assert audit.main(words) == 2
        return capsys.readouterr().err

    assert "attefa: trains models as a run was" in refused(name, *data, "--tests", "attefa")
    assert "data.test_fil = x: there is no such" in refused(name, "--data.test_fil", "x")
    assert "or with another classifier its data" in refused(name)
    Path("test.csv").write_text(Path("test.csv").read_text().replace("bad", "poor"))
    mine = [name, *data, "--out", "mine"]
    assert "has the classes 'good', 'fair', 'bad', and the data 'poor'" in refused(*mine)
    assert not Path("mine").exists()


def test_a_run_has_data_of_its_own(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.main([str(run), "--data.name=reviews"]) == 2
    assert "has data of its own; to test its model on others, give" in capsys.readouterr().err


def test_comparisons_are_means_of_the_evaluation(run: Path, tiny_settings: Any) -> None:
    settings = parse(["--config", str(run / "config.yaml")])
    target, corpus = open_finished(run, settings, "cpu")
    special = special_ids(corpus.tokenizer)
    texts = corpus.test.take(np.arange(12))
    methods = run_explainers(target, (texts, special), 0, ignored)["methods"]
    for method in ("attention", "ig"):
        expected = figure(target, texts, special, 0, ERASURE, explainer=EXPLAINERS[method])
        for name in ("comprehensiveness", "sufficiency"):
            assert methods[method][name]["mean"] == pytest.approx(expected[name], abs=1e-6)
    assert "absorbed" in methods["attn_lrp"]["refused"]
    agreed = run_plausibility(target, (texts, special), 0, ignored)["methods"]["attention"]
    expected = figure(target, texts, special, 0, AGREEMENT)
    assert agreed["auroc"]["mean"] == pytest.approx(expected["auroc"])
    assert agreed["auroc"]["texts"] == expected["texts"] > 0
    unmarked = replace(texts, marks=None)
    assert run_plausibility(target, (unmarked, special), 0, ignored) == {"methods": {}}
    assert "Nobody marked" in SENTENCES["plausibility"]({"methods": {}})
    right = run_classification(target, (texts, special), 0, ignored)["accuracy"]["mean"]
    assert right == (predict(target, texts).numpy() == texts.labels).mean()


def test_mlflow_gets_what_was_found_and_models_stand_side_by_side(
    tiny_settings: Any, tmp_path: Path
) -> None:
    for seed, name in enumerate(("one", "two")):
        values = {
            "run.name": name,
            "train.seed": seed,
            "mlflow.uri": None,
            "train.max_steps": 2,
            "target.hops": 2,
        }
        train(tiny_settings({"run.storage": str(tmp_path), "evaluate.texts": 4, **values}))
    runs = [str(tmp_path / name) for name in ("one", "two")]
    assert audit.main([*runs, "--texts", "4", "--tests", "classification,permutation"]) == 0
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    logged = client.search_runs([client.get_experiment_by_name("afa_ray").experiment_id])
    assert [run.info.status for run in logged] == ["FINISHED"] * 2
    for run in logged:
        assert {"audit/accuracy", "audit/permutation"} <= run.data.metrics.keys()
        names = {artifact.path for artifact in client.list_artifacts(run.info.run_id, "audit")}
        assert names == {"audit/audit.json", "audit/audit.md", "audit/report.html"}
    text = (tmp_path / "one" / "audit" / "audit.md").read_text(encoding="utf-8")
    assert "| | one | two |" in text
    accuracy = logged[0].data.metrics["audit/accuracy"]
    assert f"{accuracy:.3f}" in text.split("| accuracy |")[1].splitlines()[0]
    assert "It reads each text 2 times" in text
