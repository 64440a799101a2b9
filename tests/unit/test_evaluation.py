"""Deletion curve, agreement and classification figures, on a Target whose answers are known."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    average_precision_score,
    precision_recall_fscore_support,
    roc_auc_score,
)
from torch import Tensor, nn

from afa_ray.data.packed import PackedTexts
from afa_ray.data.tokenizer import train_tokenizer
from afa_ray.evaluation.agreement import AGREEMENT, agreement
from afa_ray.evaluation.classification import classification_metrics
from afa_ray.evaluation.deletion import COUNTS, DELETION, DeletionCurve
from afa_ray.evaluation.erasure import ERASURE, FIGURES
from afa_ray.evaluation.one_pass import figure, figures
from afa_ray.evaluation.plots import plot_deletion_curve
from afa_ray.evaluation.prediction import classes_of, predict, read
from afa_ray.evaluation.robustness import robustness, typo_ids
from afa_ray.models.interface import AttentionModel, Inputs

SPECIAL = (0, 2, 3)
KEY = 9


class KeyTarget(nn.Module):
    """Class 1 where the key token stands; attends to it, or to everything else, or evenly."""

    evaluation_batch = 256

    def __init__(self, weight_on_key: float) -> None:
        super().__init__()
        self.config = SimpleNamespace(pad_token_id=0)
        self.device = torch.device("cpu")
        self.weight_on_key = weight_on_key

    def forward(self, tokens: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        weight = 1 + (tokens == KEY) * self.weight_on_key
        row = (weight * attention_mask).float()
        found = (tokens == KEY).any(-1).float()
        logits = torch.stack([0.5 - found, found - 0.5], -1)
        return SimpleNamespace(logits=logits, attention_row=row / row.sum(-1, keepdim=True))


def texts(count: int = 60, keys: int = 1) -> PackedTexts:
    """Half of the texts hold the key token `keys` times among fillers; all have 12 words."""
    random = np.random.default_rng(0)
    rows, marks, labels = [], [], []
    for i in range(count):
        words = random.integers(10, 30, 12)
        if i % 2:
            words[random.choice(12, keys, replace=False)] = KEY
        rows.append([2, *words, 3])
        marks.append([0, *(words == KEY), 0])
        labels.append(i % 2)
    return PackedTexts(
        np.concatenate(rows).astype(np.int32),
        np.arange(count + 1) * 14,
        np.array(labels),
        np.concatenate(marks).astype(np.uint8),
        0,
    )


def test_predictions_of_all_workers_add_up() -> None:
    packed = texts(700)
    target = KeyTarget(1.0)
    whole = predict(target, packed)  # type: ignore[arg-type]
    parts = [predict(target, packed, rank, 3) for rank in range(3)]  # type: ignore[arg-type]
    assert torch.equal(whole, torch.stack(parts).sum(0))
    assert whole.tolist() == packed.labels.tolist()


def test_padding_that_all_texts_end_with_is_not_read() -> None:
    read_lengths = []

    class Recording(KeyTarget):
        def forward(self, tokens: Tensor, attention_mask: Tensor) -> SimpleNamespace:
            read_lengths.append(tokens.shape[1])
            return super().forward(tokens, attention_mask)

    tokens = torch.tensor([[2, KEY, 3, 0, 0, 0], [2, 10, 11, 3, 0, 0]])
    logits, row = read(Recording(1.0), tokens)  # type: ignore[arg-type]
    assert read_lengths == [4]
    assert classes_of(logits).tolist() == [1, 0]
    assert row.tolist() == [[0.25, 0.5, 0.25, 0, 0, 0], [0.25] * 4 + [0, 0]]


def test_deletion_curve_of_attention_on_the_evidence() -> None:
    curve = figure(KeyTarget(5.0), texts(keys=2), SPECIAL, 0, DELETION)  # type: ignore[arg-type]
    assert curve.counts == (0, 1, 2, 3, 5, 8)
    assert curve.by_attention == (1, 1, 0.5, 0.5, 0.5, 0.5)
    assert curve.random[0] == 1
    assert list(curve.random) == sorted(curve.random, reverse=True)
    assert curve.random[2] > 0.9
    assert curve.area_by_attention < curve.area_random


def test_deletion_curve_of_attention_off_the_evidence() -> None:
    curve = figure(KeyTarget(-0.9), texts(), SPECIAL, 0, DELETION)  # type: ignore[arg-type]
    assert curve.by_attention == (1,) * len(COUNTS)


def test_random_deletion_is_what_chance_gives() -> None:
    curve = figure(KeyTarget(0.0), texts(4000), SPECIAL, 1, DELETION)  # type: ignore[arg-type]
    for count, accuracy in zip(COUNTS, curve.random, strict=True):
        assert accuracy == pytest.approx(1 - 0.5 * count / 12, abs=0.02)


def test_texts_shorter_than_the_deletion_lose_all_they_have() -> None:
    packed = PackedTexts(np.array([2, KEY, 3, 2, 3], np.int32), np.array([0, 3, 5]), np.array([1, 0]), None, 0)  # fmt: skip  # noqa: E501
    curve = figure(KeyTarget(1.0), packed, SPECIAL, 0, DELETION)  # type: ignore[arg-type]
    assert curve.by_attention == (1, 0.5, 0.5, 0.5, 0.5, 0.5)


def test_area_by_hand() -> None:
    curve = DeletionCurve((0, 1, 2, 3, 5, 8), (1.0, 0.8, 0.6, 0.6, 0.4, 0.4), (1.0,) * 6)
    assert curve.area_by_attention == pytest.approx((0.9 + 0.7 + 0.6 + 1.0 + 1.2) / 8)
    assert curve.area_random == pytest.approx(1)


def test_agreement_is_one_on_the_marks_zero_off_them_and_half_by_chance() -> None:
    packed = texts(keys=3)
    on, off, even = (
        figure(KeyTarget(w), packed, SPECIAL, 0, AGREEMENT)  # type: ignore[arg-type]
        for w in (5.0, -0.9, 0.0)
    )
    assert on == {"auroc": 1, "average_precision": 1, "texts": 30}
    assert off["auroc"] == 0
    assert even["auroc"] == 0.5
    assert even["average_precision"] == pytest.approx(3 / 12)


@pytest.mark.parametrize("ties", [False, True])
def test_agreement_is_that_of_scikit_learn(ties: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(200, 9, generator=generator)
    scores = (4 * scores).round() if ties else scores
    judged = torch.rand(200, 9, generator=generator) < 0.8
    marked = torch.rand(200, 9, generator=generator) < 0.3
    found = agreement(scores, marked, judged)
    for i in range(200):
        row, mark = scores[i, judged[i]].numpy(), marked[i, judged[i]].numpy()
        if 0 < mark.sum() < len(mark):
            assert found.auroc[i] == pytest.approx(roc_auc_score(mark, row), abs=1e-12)
            expected = average_precision_score(mark, row)
            assert found.average_precision[i] == pytest.approx(expected, abs=1e-12)
        else:
            assert torch.isnan(found.auroc[i])
            assert torch.isnan(found.average_precision[i])
    assert 100 < found.auroc.isfinite().sum() < 200


def test_agreement_says_nothing_where_nothing_is_marked() -> None:
    packed = texts(keys=12)
    found = figure(KeyTarget(1.0), packed, SPECIAL, 0, AGREEMENT)  # type: ignore[arg-type]
    assert found == {"auroc": None, "average_precision": None, "texts": 0}


def test_classification_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, 300)
    predictions = random.integers(1, 6, 300)  # classes 0, 4 and 5 are in one of them only
    figures = classification_metrics(labels, predictions)
    expected = precision_recall_fscore_support(
        labels, predictions, average="macro", zero_division=0
    )
    assert figures["accuracy"] == pytest.approx((labels == predictions).mean())
    names = ("macro_precision", "macro_recall", "macro_f1")
    assert [figures[name] for name in names] == pytest.approx(expected[:3])


def test_classification_by_hand() -> None:
    figures = classification_metrics(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]))
    assert figures["accuracy"] == pytest.approx(3 / 4)
    assert figures["macro_precision"] == pytest.approx((1 + 1 / 2) / 2)
    assert figures["macro_recall"] == pytest.approx((2 / 3 + 1) / 2)
    assert figures["macro_f1"] == pytest.approx((4 / 5 + 2 / 3) / 2)


def test_faithfulness_of_attention_on_and_off_the_evidence() -> None:
    """Sure of its class by sigmoid(1), and as sure of the other one where the key is gone."""
    sure = 1 / (1 + np.exp(-1))
    swing = 2 * sure - 1
    on, off = (
        figure(KeyTarget(weight), texts(), SPECIAL, 0, ERASURE)  # type: ignore[arg-type]
        for weight in (5.0, -0.9)
    )
    assert tuple(on) == FIGURES
    assert on["comprehensiveness"] == pytest.approx(swing / 2)  # the half of texts that have a key
    assert on["sufficiency"] == pytest.approx(0)
    assert off["comprehensiveness"] == pytest.approx(0)
    assert off["sufficiency"] == pytest.approx(swing / 2)
    assert on["random_comprehensiveness"] == off["random_comprehensiveness"]
    counts = [1, 1, 1, 2, 6]  # of 12 tokens
    chance = np.mean([count / 12 for count in counts]) * swing / 2
    many = figure(KeyTarget(1.0), texts(4000), SPECIAL, 0, ERASURE)  # type: ignore[arg-type]
    assert many["random_comprehensiveness"] == pytest.approx(chance, abs=0.01)
    assert many["random_sufficiency"] == pytest.approx(swing / 2 - chance, abs=0.01)


def test_a_text_without_words_loses_nothing() -> None:
    packed = PackedTexts(np.array([2, 3], np.int32), np.array([0, 2]), np.array([0]), None, 0)
    found = figure(KeyTarget(1.0), packed, SPECIAL, 0, ERASURE)  # type: ignore[arg-type]
    assert list(found.values()) == [0, 0, 0, 0]


WORDS = ["good", "tasty", "cat", "bread"]


def test_mistyped_words_are_unknown_unless_they_spell_another() -> None:
    tokenizer = train_tokenizer(["good tasty cat bread god"] * 2, 100, 16)
    ids = dict(zip(WORDS, tokenizer.convert_tokens_to_ids(WORDS), strict=True))
    typos = typo_ids(tokenizer, seed=0)
    assert list(typos[:5]) == [0, 1, 2, 3, 4]  # special tokens
    assert typos[ids["cat"]] == ids["cat"]  # too short
    assert typos[ids["good"]] == ids["good"]  # g-oo-d
    assert typos[ids["bread"]] == tokenizer.unk_token_id


def test_robustness_is_what_chance_gives() -> None:
    tokenizer = train_tokenizer(["alpha bravo charlie delta echo key12"] * 2, 100, 16)
    key, filler = tokenizer.convert_tokens_to_ids(["charlie", "echo"])
    start, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    rows = np.tile([[start, filler, end], [start, key, end]], (3000, 1))
    packed = PackedTexts(
        rows.flatten().astype(np.int32), np.arange(6001) * 3, np.arange(6000) % 2, None, 0
    )

    class KnowsWord(KeyTarget):
        def forward(self, tokens: Tensor, attention_mask: Tensor) -> SimpleNamespace:
            return super().forward(torch.where(tokens == key, KEY, 0 * tokens), attention_mask)

    found = robustness(KnowsWord(1.0), packed, tokenizer, seed=0)  # type: ignore[arg-type]
    assert found["random_deletion"] == pytest.approx(0.95, abs=0.01)
    assert found["typos"] == pytest.approx(0.95, abs=0.01)  # each typo is an unknown word


def test_the_plot_is_a_picture(tmp_path) -> None:
    curve = DeletionCurve(COUNTS, (1.0, 0.8, 0.6, 0.6, 0.4, 0.4), (1.0,) * 6)
    plot_deletion_curve(curve, "title", tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_any_scores_are_held_against_a_model() -> None:
    """The key token alone decides: scores that point at it do better than the model's own row."""

    def by_key(model: AttentionModel, inputs: Inputs, classes: Tensor) -> Tensor:
        assert torch.equal(classes, (inputs.tokens == KEY).any(-1).long())
        return (inputs.tokens == KEY).float()

    measures = {"deletion": DELETION, "erasure": ERASURE, "agreement": AGREEMENT}
    target, packed = KeyTarget(-0.9), texts(keys=2)
    given = (target, packed, SPECIAL, 0, measures)
    by_attention, by_scores = figures(*given), figures(*given, explainer=by_key)
    assert by_scores["deletion"].by_attention == (1, 1, 0.5, 0.5, 0.5, 0.5)
    assert by_scores["deletion"].random == by_attention["deletion"].random
    assert by_scores["agreement"]["auroc"] == 1
    assert by_attention["agreement"]["auroc"] == 0
    assert by_scores["erasure"]["sufficiency"] < by_attention["erasure"]["sufficiency"]


def test_workers_without_a_batch_add_nothing() -> None:
    packed = texts(700)
    whole = figure(KeyTarget(5.0), packed, SPECIAL, 0, DELETION)
    total = torch.zeros(2, len(COUNTS), dtype=torch.float64)
    for rank in range(5):  # of three batches
        figure(
            KeyTarget(5.0), packed, SPECIAL, 0, DELETION, rank=rank, workers=5, add_up=total.add_
        )
    curves = torch.tensor([whole.by_attention, whole.random], dtype=torch.float64)
    assert torch.allclose(total / 700, curves)


def test_figures_of_all_workers_are_those_of_one() -> None:
    """Whatever is made of the sums, which are not divided among the workers."""
    packed, parts = texts(700), []
    target = KeyTarget(1.0)
    for rank in range(3):
        figure(target, packed, SPECIAL, 0, DELETION, rank=rank, workers=3,
               add_up=lambda tensor: parts.append(tensor.clone()))  # fmt: skip
    total = torch.stack(parts).sum(0)
    found = figure(target, packed, SPECIAL, 0, DELETION, workers=3,
                   add_up=lambda tensor: tensor.copy_(total))  # fmt: skip
    assert found == figure(target, packed, SPECIAL, 0, DELETION)
