"""`afa_ray.load`: predictions and explanations of any classifier, by words of the text itself."""

import html
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, pipeline
from transformers.utils import logging

import afa_ray
from afa_ray.classifier import Classifier, load
from afa_ray.classifier.methods import LARGEST, OF_UNITS
from afa_ray.data.tokenizer import load_tokenizer, train_tokenizer
from afa_ray.errors import UserError
from afa_ray.explainers import EXPLAINERS, scores
from afa_ray.models import Target, TargetConfig, save_player
from tests.conftest import small_texts
from tests.families import save_tiny, tiny
from tests.tokenizers import byte_pairs, unigrams, word_pieces

TEXTS = small_texts(40, 0).texts
FAMILIES = {"bert": word_pieces, "gpt2": byte_pairs, "llama": unigrams, "deberta-v2": word_pieces}
ODD = "  Superb lovely\n\nbowled  "


def save_single_layer(folder: Path, seed: int = 0, loudness: float = 1.0) -> str:
    """A fresh one, whose differences between texts are as much louder."""
    torch.manual_seed(seed)
    tokenizer = train_tokenizer(TEXTS, 100, 24)
    config = TargetConfig(
        vocab_size=len(tokenizer), hidden_size=32, max_position_embeddings=24,
        id2label={0: "bad", 1: "good"}, label2id={"bad": 0, "good": 1},
    )  # fmt: skip
    target = Target(config).eval()
    target.classifier.weight.data *= loudness
    save_player(target, folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def save(kind: str, folder: Path) -> str:
    if kind == "single layer":
        return save_single_layer(folder)
    return save_tiny(kind, folder, FAMILIES[kind](TEXTS))


@pytest.fixture(params=["single layer", *FAMILIES])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return save(request.param, tmp_path)


def test_predictions_are_those_of_a_pipeline(folder: str) -> None:
    classifier = afa_ray.load(folder)
    assert isinstance(classifier, Classifier)
    tokenizer = load_tokenizer(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    model.config.pad_token_id = tokenizer.pad_token_id
    classify = pipeline("text-classification", model=model, tokenizer=tokenizer, top_k=None)
    expected = [{row["label"]: row["score"] for row in rows} for rows in classify(TEXTS[:9])]
    found = classifier.predict(TEXTS[:9], batch_size=4)
    for prediction, rows in zip(found, expected, strict=True):
        assert prediction.probabilities == pytest.approx(rows, abs=1e-5)
        assert prediction.label == max(rows, key=lambda name: rows[name])
        assert prediction.probability == max(prediction.probabilities.values())


def test_words_are_the_texts_own_and_attention_is_the_row(folder: str) -> None:
    """Joined pieces; words and special tokens together have all the attention there is."""
    classifier = afa_ray.load(folder)
    texts = [ODD, *TEXTS[:3]]
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    model.config.pad_token_id = classifier.tokenizer.pad_token_id
    row = afa_ray.attention_row(model, **load_tokenizer(folder)([TEXTS[0]], return_tensors="pt"))[0]
    for text, found in zip(texts, classifier.explain(texts, batch_size=2), strict=True):
        assert found.text == text
        assert [text[a:b] for a, b in found.spans] == found.words
        scores, special = found.scores["attention"], found.special_scores["attention"]
        assert len(scores) == len(found.words) == len(found.pieces)
        assert len(special) == len(found.specials)
        assert sum(scores) + sum(special) == pytest.approx(1, abs=1e-4)
        assert found.cost["attention"] > 0
        assert found.target == found.label
        assert found.cut is None
        assert not found.refused
    assert classifier.explain([ODD])[0].words == ["Superb", "lovely", "bowled"]
    one = classifier.explain([TEXTS[0]], unit="token")[0]
    by_token = [*one.scores["attention"], *one.special_scores["attention"]]
    assert sorted(by_token) == pytest.approx(sorted(row.tolist()), abs=1e-5)
    assert [len(pieces) for pieces in one.pieces] == [1] * len(one.words)


def test_words_of_several_pieces(tmp_path: Path) -> None:
    classifier = afa_ray.load(save("bert", tmp_path))
    whole = classifier.explain(["superb bowled"])[0]
    pieces = classifier.explain(["superb bowled"], unit="token")[0]
    count = len(whole.pieces[0])
    assert count > 1
    assert "".join(p.removeprefix("##") for p in whole.pieces[0]) == "superb"
    assert whole.scores["attention"][0] == pytest.approx(sum(pieces.scores["attention"][:count]))


@pytest.mark.parametrize("kind", ["single layer", "bert", "gpt2"])
def test_emoji_accents_and_other_scripts_keep_their_place(kind: str, tmp_path: Path) -> None:
    classifier = afa_ray.load(save(kind, tmp_path))
    text = "lovely 😀👍🏽 naïve שלום\u202e abc <script>"
    found = classifier.explain([text])[0]
    assert [text[a:b] for a, b in found.spans] == found.words
    assert all(a[1] <= b[0] for a, b in zip(found.spans, found.spans[1:], strict=False))
    assert found.words[0] == "lovely"
    assert {"שלום", "naïve"} <= {w.strip("\u202e") for w in found.words}


def test_what_is_too_long_is_cut_and_says_where(tmp_path: Path) -> None:
    classifier = afa_ray.load(save("single layer", tmp_path))
    assert classifier.max_length == 24
    text = "lovely " * 50
    found = classifier.explain([text, "lovely"])
    assert found[0].words == ["lovely"] * 22  # beside [SOS] and [EOS]
    assert found[0].cut == len("lovely " * 22) - 1
    assert found[1].cut is None
    page = found[0].to_html()
    assert f"reads the first {found[0].cut} characters" in page


def test_the_class_of_choice(tmp_path: Path) -> None:
    classifier = afa_ray.load(save("single layer", tmp_path))
    for goal in ("good", 1, "1"):
        assert classifier.explain([TEXTS[0]], target=goal)[0].target == "good"


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"texts": ["lovely", " \n"]}, "text 2 is empty; give at least one word"),
        ({"texts": ["lovely", None]}, "text 2 is None, not a text"),
        ({"texts": "lovely"}, "give a list of texts"),
        ({"texts": ["lovely", "\u200b"]}, "text 2 is empty"),
        ({"texts": ["a \ud83d b"]}, "text 1 has half of a character pair"),
        ({"batch_size": 0}, "batch_size = 0: must be a whole number of at least 1"),
        ({"batch_size": -1}, "batch_size = -1: must be a whole number of at least 1"),
        ({"target": "fine"}, "target = fine: there is no such class; give one of bad, good"),
        ({"target": 2}, "target = 2: there is no such class"),
        ({"target": -1}, "target = -1: there is no such class"),
        ({"methods": ["atention"]}, "methods = atention: there is no such method; did you mean"),
        ({"methods": []}, "methods: none is named"),
        ({"unit": "letter"}, "unit = letter: must be word or token"),
    ],
)
def test_what_cannot_be_explained_is_refused(given: dict, complaint: str, tmp_path: Path) -> None:
    classifier = afa_ray.load(save("single layer", tmp_path))
    with pytest.raises(UserError, match=complaint):
        classifier.explain(**({"texts": ["lovely"]} | given))


def test_a_model_that_reads_many_positions_predicts_and_says_why_it_has_no_attention(
    tmp_path: Path,
) -> None:
    tokenizer = word_pieces(TEXTS)
    model = tiny("modernbert")
    model.config.classifier_pooling = "mean"
    model.config.pad_token_id = tokenizer.pad_token_id
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    classifier = afa_ray.load(tmp_path)
    found = classifier.explain(TEXTS[:3])
    assert found[0].scores == {}
    assert "classifies from positions" in found[0].refused["attention"]
    assert "No scores: " in found[0].to_html()
    alone = [classifier.predict([text])[0].probability for text in TEXTS[:3]]
    assert [e.probability for e in found] == pytest.approx(alone, abs=1e-5)


def test_a_run_is_opened_by_its_folder(tmp_path: Path) -> None:
    save("single layer", tmp_path / "tickets-1" / "model")
    assert afa_ray.load(tmp_path / "tickets-1").name == "tickets-1"
    assert afa_ray.load(tmp_path / "tickets-1" / "model").name == "tickets-1"


def test_texts_may_come_one_by_one(folder: str) -> None:
    classifier = load(folder)
    assert classifier.predict(text for text in TEXTS[:3]) == classifier.predict(TEXTS[:3])


def test_transformers_draws_its_bars_as_before(folder: str) -> None:
    logging.enable_progress_bar()
    verbosity = logging.get_verbosity()
    load(folder)
    assert logging.is_progress_bar_enabled()
    assert logging.get_verbosity() == verbosity


def test_models_that_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("afa_ray.classifier.opening.hub_is_away", lambda: "no network here")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    folder = Path(save("bert", tmp_path / "bert"))
    (tmp_path / "pickled").mkdir()
    for file in folder.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / "pickled" / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    for given, complaint in {
        str(tmp_path / "nowhere"): "no such folder",
        str(tmp_path / "empty"): "holds no model",
        str(tmp_path / "file"): "is a file; give the folder",
        str(tmp_path / "pickled"): "safetensors",
    }.items():
        with pytest.raises(UserError, match=complaint) as caught:
            afa_ray.load(given)
        assert given in str(caught.value)
    for change, complaint in {
        "regression": "not one of several classes",
        "multi_label_classification": "several labels at once",
    }.items():
        (folder / "config.json").write_text(json.dumps(config | {"problem_type": change}))
        with pytest.raises(UserError, match=complaint):
            afa_ray.load(folder)
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="device = mars: cannot be used"):
        afa_ray.load(folder, device="mars")


def test_an_explanation_as_json_and_as_a_page(tmp_path: Path) -> None:
    classifier = afa_ray.load(save("single layer", tmp_path))
    text = 'lovely <script>alert("1")</script> & </bdi>'
    found = classifier.explain([text])[0]
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["words"] == found.words
    for page in (found.to_html(), found._repr_html_()):
        assert "<script>alert" not in page
        assert html.escape(found.words[1]) in page
    data = found.to_html().split('id="data">')[1].split("</script>")[0]
    assert json.loads(data) == [found.to_dict()]


def test_the_package_alone_imports_no_classifier() -> None:
    code = "import sys, afa_ray; print({'afa_ray.classifier', 'afa_ray.report'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_every_method_is_that_of_the_explainers_joined_to_words(folder: str) -> None:
    classifier = afa_ray.load(folder)
    text = "superb awful lovely"
    methods = [name for name in EXPLAINERS if name not in ("attention", "random", *OF_UNITS)]
    found = classifier.explain([text], methods)[0]
    inputs = classifier.tokenizer([text], return_tensors="pt", return_special_tokens_mask=True)
    ids, special = inputs["input_ids"], inputs["special_tokens_mask"]
    for name in found.scores:
        row = scores(classifier.model, ids, None, name, special_tokens_mask=special)[0].tolist()
        row = [s for s, apart in zip(row, special[0].tolist(), strict=True) if not apart]
        at = 0
        for score, within in zip(found.scores[name], found.pieces, strict=True):
            join = max if name in LARGEST else sum
            assert score == pytest.approx(join(row[at : at + len(within)]), rel=1e-3, abs=1e-6)
            at += len(within)
        assert found.cost[name] > 0
    assert set(found.scores) | set(found.refused) == set(methods)
    assert {"ig", "leave_one_out"} <= set(found.scores)
    assert found.error["ig"] >= 0
    page = found.to_html()
    assert "Kendall" in page
    assert f"error {found.error['ig']:.3f}" in page


def test_what_is_asked_twice_is_answered_alike(folder: str) -> None:
    """Without dropout, whatever was explained in between."""
    classifier = afa_ray.load(folder)
    first = classifier.predict(["a superb day"])[0].probabilities
    classifier.explain(["a superb day"], ["attention", "gradient_x_input"])
    assert classifier.predict(["a superb day"])[0].probabilities == first


@pytest.mark.parametrize("name", OF_UNITS)
def test_surrogates_delete_whole_words(name: str, tmp_path: Path) -> None:
    """Of two words, one of several pieces: exact Shapley values by deleting one, both, none."""
    classifier = afa_ray.load(save("bert", tmp_path))
    found = classifier.explain(["superb bowled"], [name])[0]
    assert len(found.scores[name]) == 2
    assert len(found.pieces[0]) > 1
    if name == "shap":
        p = [classifier.predict([t])[0].probabilities[found.label] for t in ("superb", "bowled")]
        whole, left = found.probability, p[0] - p[1]
        assert found.scores[name][0] - found.scores[name][1] == pytest.approx(left, abs=1e-4)
        assert sum(found.scores[name]) < whole
