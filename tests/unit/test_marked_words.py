"""Explainers against marks: words and their pieces, F1 by two rules, and one task left out."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

import afa_ray
from afa_ray.config import Settings
from afa_ray.data.tokenizer import train_tokenizer
from afa_ray.dotted import override
from afa_ray.explainers.expnet import ExpNet
from afa_ray.models import Target, TargetConfig, save_player
from tests.conftest import raw_corpus
from tests.families import save_tiny
from tests.tokenizers import word_pieces
from tune.expnet import main, of_seed
from tune.marked_words import MarkedWords, marked_texts, measure, places
from tune.plausibility import THRESHOLDS, f1_by_threshold, padded, ranking, scaled

pytestmark = pytest.mark.usefixtures("fewer_texts")

REVIEWS = override(Settings(), {"data.name": "reviews"})


def save_model(kind: str, folder: Path) -> None:
    """A fresh one that knows the classes of `reviews`, and not much of their words."""
    raw = raw_corpus("reviews", seed=0)
    labels = dict(enumerate(raw.label_names))
    if kind == "bert":
        save_tiny("bert", folder, word_pieces(raw.train.texts[:200]), classes=len(labels))
        return
    torch.manual_seed(0)
    tokenizer = train_tokenizer(raw.train.texts[:500], 200, 32)
    config = TargetConfig(
        vocab_size=len(tokenizer), hidden_size=16, max_position_embeddings=32, id2label=labels,
        label2id={name: number for number, name in labels.items()},
    )  # fmt: skip
    save_player(Target(config).eval(), folder)
    tokenizer.save_pretrained(folder)


@pytest.mark.parametrize("kind", ["single layer", "bert"])
def test_words_have_their_pieces_scores_and_marks(kind: str, tmp_path: Path) -> None:
    save_model(kind, tmp_path / "model")  # where a run has it
    methods = ["random", "attention", "gradient_norm", "lrp"]
    found = measure(tmp_path, REVIEWS, methods, 12)
    found.save(tmp_path / "words.npz")
    found = MarkedWords.load(tmp_path / "words.npz")
    texts, classifier = marked_texts(REVIEWS), afa_ray.load(tmp_path / "model")
    assert texts.words is not None
    assert texts.marks is not None
    right = [
        i
        for i, each in enumerate(classifier.predict([" ".join(words) for words in texts.words]))
        if each.label == classifier.labels[texts.labels[i]]
    ]
    chosen = np.sort(np.random.default_rng(0).permutation(right)[:12])
    assert set(found.scores) == ({*methods} if kind == "bert" else {*methods} - {"lrp"})
    assert found.features.shape[1] == (8 if kind == "bert" else 4)
    assert (found.word[1:] >= found.word[:-1]).all()
    assert set(found.word.tolist()) == set(range(len(found.text)))
    for number, i in enumerate(chosen):
        own = found.text == number
        words = texts.words[i][: own.sum()]
        assert found.marked[own].tolist() == [m == 1 for m in texts.marks[i][: own.sum()]]
        (tokens,) = classifier.explain([" ".join(texts.words[i])], ["attention"], unit="token")
        owner = [len(tokens.text[:start].split(" ")) - 1 for start, _ in tokens.spans]
        for word in range(len(words)):
            scores = zip(tokens.scores["attention"], owner, strict=True)
            pieces = [score for score, its in scores if its == word]
            assert found.scores["attention"][own][word] == pytest.approx(sum(pieces), abs=1e-6)
        features = found.features[np.isin(found.word, np.flatnonzero(own))]
        row = features[:, : 4 if kind == "single layer" else features.shape[1] // 2].mean(1)
        assert row == pytest.approx(tokens.scores["attention"], abs=1e-5)


def test_places_of_characters() -> None:
    assert places(["it's", "a", "day"]).tolist() == [0] * 5 + [1] * 2 + [2] * 4


def some_words(seed: int, texts: int = 30) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(4, 12, texts)
    text = np.repeat(np.arange(texts), lengths)
    marked = np.concatenate([np.arange(n) < rng.integers(1, n) for n in lengths])
    return text, marked, rng.normal(size=len(text)) + marked


def test_figures_are_scikit_learn_s() -> None:
    text, marked, scores = some_words(0)
    judged = scaled(padded(text, marked, scores))
    own = [(marked[text == t], scores[text == t]) for t in range(30)]
    found = ranking(judged)
    assert found["auroc"] == pytest.approx(np.mean([roc_auc_score(m, s) for m, s in own]))
    assert found["average_precision"] == pytest.approx(
        np.mean([average_precision_score(m, s) for m, s in own])
    )
    gold = [f1_score(m, s >= np.sort(s)[-m.sum()]) for m, s in own]
    assert found["f1_gold"] == pytest.approx(np.mean(gold))
    f1 = f1_by_threshold(judged)
    for at in (0, 20, 50):
        chosen = [(s - s.min()) / (s.max() - s.min()) >= THRESHOLDS[at] for _, s in own]
        expected = [f1_score(m, c) for (m, _), c in zip(own, chosen, strict=True)]
        assert f1[at] == pytest.approx(np.mean(expected))


def test_equal_scores_and_texts_of_one_word() -> None:
    judged = scaled(padded(np.array([0, 0, 0, 1]), np.array([0, 1, 0, 1]) == 1, np.zeros(4)))
    assert (judged.scores == 0).all()
    found = ranking(judged)
    assert found["auroc"] == 0.5
    assert found["f1_gold"] == pytest.approx((0 + 1) / 2)
    assert f1_by_threshold(judged)[0] == pytest.approx((2 * 1 / (3 + 1) + 1) / 2)
    assert f1_by_threshold(judged)[1] == 0


def task(seed: int, upside_down: bool = False) -> MarkedWords:
    """Words whose marks a feature tells, and a method's scores; both of them upside down."""
    text, marked, scores = some_words(seed, texts=60)
    sign = -1 if upside_down else 1
    features = np.random.default_rng(seed).normal(size=(len(text), 3)).astype(np.float32) * 0.1
    features[:, 0] += sign * marked
    words = np.arange(len(text))
    return MarkedWords(text, marked, {"method": sign * scores}, {"method": 0.5}, features, words)


def test_expnet_and_thresholds_learn_from_the_other_tasks_alone(tmp_path: Path) -> None:
    words = {"a": task(1), "b": task(2), "c": task(3, upside_down=True)}
    found = of_seed(words, 0, tmp_path)
    assert found["c", "expnet"]["auroc"] < 0.01
    two = of_seed({"a": words["a"], "b": words["b"]}, 0, tmp_path)
    assert two["a", "expnet"]["auroc"] > 0.99
    assert two["b", "expnet"]["f1_gold"] > 0.95
    best = np.mean(
        [
            f1_by_threshold(scaled(padded(w.text, w.marked, w.scores["method"])))
            for w in (words["a"], words["b"])
        ],
        axis=0,
    ).argmax()
    c = words["c"]
    own = f1_by_threshold(scaled(padded(c.text, c.marked, c.scores["method"])))
    assert found["c", "method"]["threshold"] == THRESHOLDS[best]
    assert found["c", "method"]["f1_threshold"] == pytest.approx(own[best])
    assert found["c", "method"]["seconds"] == 0.5
    assert ExpNet.load(tmp_path / "without-c-seed0").config.features == 3


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--expnet.tasks", "reviews"], "one is left out, so give at least two data sets"),
        (["--expnet.tasks", "reviews,review"], "expnet.tasks: there is no data set 'review'"),
        (["--expnet.tasks", "reviews,sst2_sentences"], "nothing is marked in the test"),
        (["--expnet.methods", "atention"], "did you mean attention?"),
        (["--expnet.methods", ","], "methods: none is named"),
        (["--expnet.texts", "0"], "expnet.texts = 0: must be at least 1"),
        (["--expnet.seeds", "0"], "expnet.seeds = 0: must be at least 1"),
        (["--expnet.text", "3"], "expnet.text"),
    ],
)
def test_mistakes(
    arguments: list[str],
    complaint: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    data_dir: Path,
) -> None:
    given = ["--expnet.tasks", "reviews,mock-1", "--data.dir", str(data_dir)]
    assert main([*given, *arguments, "--run.storage", str(tmp_path)]) == 2
    assert complaint in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
