"""Encoders whose states attention weighs: against loops, by hand, and what padding must not do."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

import afa_ray
from afa_ray.data.tokenizer import train_tokenizer
from afa_ray.explainers import EXPLAINERS, CannotExplainError, scores
from afa_ray.models import EncodedConfig, EncodedTarget, save_player
from afa_ray.models.encoded import between
from afa_ray.models.encoders import Average, Cnn, Lstm
from afa_ray.models.interface import Inputs
from afa_ray.models.scorers import Additive, Dot
from tests.conftest import small_texts
from tests.unit.test_models import tokens

ENCODERS = ("lstm", "cnn", "average")
SCORERS = ("additive", "dot")
BOTH = [(encoder, scorer) for encoder in ENCODERS for scorer in SCORERS]
QUICK = {"ig": {"steps": 4, "most": 4}, "shap": {"samples": 10}, "lime": {"samples": 10}}


def small_encoded(
    encoder: str = "lstm", scorer: str = "additive", **changes: object
) -> EncodedTarget:
    torch.manual_seed(0)
    sizes = {"vocab_size": 40, "embedding_size": 12, "hidden_size": 8, "num_labels": 3}
    config = EncodedConfig(encoder=encoder, scorer=scorer, **(sizes | changes))
    return EncodedTarget(config).eval()


def batch() -> Inputs:
    ids = tokens()
    return Inputs(ids, ids != 0)


def alone(inputs: Inputs, text: int) -> Inputs:
    """One text without padding."""
    length = int(inputs.present[text].sum())
    query = inputs.query if inputs.query is None else inputs.query[text : text + 1]
    return Inputs(inputs.tokens[text : text + 1, :length], inputs.present[text : text + 1, :length],
                  query)  # fmt: skip


def output(model: EncodedTarget, inputs: Inputs, row: Tensor | None = None) -> tuple:
    found = model.decide(model.embed(inputs), inputs, row)
    return found.logits, found.attention_row


def test_the_lstm_is_the_textbooks_bidirectional_one() -> None:
    inputs, embedded = batch(), torch.randn(4, 9, 12)
    torch.manual_seed(1)
    ours = Lstm(12, 8)
    textbook = nn.LSTM(12, 8, batch_first=True, bidirectional=True)
    weights = dict(ours.forth.named_parameters())
    weights |= {f"{name}_reverse": w for name, w in ours.back.named_parameters()}
    textbook.load_state_dict(weights)
    lengths = inputs.present.sum(-1)
    packed = nn.utils.rnn.pack_padded_sequence(embedded, lengths, True, enforce_sorted=False)
    expected, (last, _) = textbook(packed)
    states, summary = ours(embedded, inputs.present)
    expected, _ = nn.utils.rnn.pad_packed_sequence(expected, True, total_length=9)
    assert torch.allclose(states, expected, atol=1e-6)
    assert torch.allclose(summary, torch.cat(list(last), -1), atol=1e-6)


def test_convolutions_and_averages_by_loops() -> None:
    present, embedded = batch().present, torch.randn(4, 9, 12)
    cnn, average = Cnn(12, 8), Average(12, 8)
    states, summary = cnn(embedded, present)
    length = int(present[1].sum())
    assert length < 9
    whole = torch.zeros(9 + 6, 12)
    whole[3 : 3 + length] = embedded[1, :length]
    for at in range(length):
        found = [
            (f.weight * whole[at + 3 - wide // 2 : at + 4 + wide // 2].T).sum((1, 2)) + f.bias
            for f, wide in zip(cnn.filters, (1, 3, 5, 7), strict=True)
        ]
        assert torch.allclose(states[1, at], torch.cat(found).relu(), atol=1e-5)
    assert (states[1, length:] == 0).all()
    assert torch.equal(summary[1], states[1].max(0).values)
    states, summary = average(embedded, present)
    by_hand = torch.tanh(embedded[1, :length] @ average.project.weight.T + average.project.bias)
    assert torch.allclose(states[1, :length], by_hand, atol=1e-6)
    assert torch.allclose(summary[1], by_hand.mean(0), atol=1e-6)


def test_scores_by_their_equations() -> None:
    states, query = torch.randn(2, 5, 8), torch.randn(2, 8)
    additive, dot = Additive(8, query=True), Dot(8, query=True)
    inner = additive.project(states[1, 2]) + additive.for_query(query[1])  # type: ignore[misc]
    expected = additive.score(inner.tanh())
    assert additive(states, query)[1, 2].item() == pytest.approx(expected.item(), abs=1e-6)
    assert dot(states, query)[1, 2].item() == pytest.approx(
        float(states[1, 2] @ query[1]) / math.sqrt(8), abs=1e-6
    )
    plain, dot = Additive(8, query=False), Dot(8, query=False)
    expected = plain.score(plain.project(states[0, 3]).tanh())
    assert plain(states, None)[0, 3].item() == pytest.approx(expected.item(), abs=1e-6)
    weight = dot.weight.weight[0]  # type: ignore[union-attr]
    expected = states[0, 3] @ weight / math.sqrt(8)
    assert dot(states, None)[0, 3].item() == pytest.approx(expected.item(), abs=1e-6)


@pytest.mark.parametrize(("encoder", "scorer"), BOTH)
def test_padding_changes_nothing(encoder: str, scorer: str) -> None:
    model, inputs = small_encoded(encoder, scorer), batch()
    logits, row = output(model, inputs)
    assert torch.allclose(row.sum(-1), torch.ones(4))
    assert (row[~between(inputs.present)] == 0).all()
    other = inputs._replace(tokens=inputs.tokens.masked_fill(~inputs.present, 7))
    assert torch.equal(output(model, other)[0], logits)  # what stands at padding is not read
    for text in range(4):
        one = alone(inputs, text)
        its_logits, its_row = output(model, one)
        assert torch.allclose(its_logits[0], logits[text], atol=1e-6)
        assert torch.allclose(its_row[0], row[text, : its_row.shape[1]], atol=1e-6)


@pytest.mark.parametrize(("encoder", "scorer"), BOTH)
def test_its_own_row_given_back_changes_nothing_and_another_decides_otherwise(
    encoder: str, scorer: str
) -> None:
    model, inputs = small_encoded(encoder, scorer), batch()
    logits, row = output(model, inputs)
    assert torch.equal(output(model, inputs, row)[0], logits)
    assert torch.equal(output(model, inputs, row[:, None])[0], logits)
    assert not torch.allclose(output(model, inputs, row.roll(1, -1))[0], logits)
    found = model(inputs.tokens, attention_mask=inputs.present, output_attentions=True)
    assert torch.equal(found.logits, logits)
    assert torch.equal(found.attentions[0][:, 0], row)
    gates = torch.ones(row.shape)
    assert torch.equal(model.gated(inputs, gates), logits)
    half = output(model, inputs, 0.5 * row)[0]
    assert torch.allclose(model.gated(inputs, 0.5 * gates), half, atol=1e-6)
    embeds = model(inputs_embeds=model.embed(inputs), attention_mask=inputs.present)
    assert torch.equal(embeds.logits, logits)


def test_what_attention_may_look_at() -> None:
    present = torch.tensor([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]]).bool()
    assert between(present).tolist() == [
        [False, True, True, False, False], [True, True, False, False, False],
        [True, False, False, False, False],
    ]  # fmt: skip


@pytest.mark.parametrize(("encoder", "scorer"), BOTH)
def test_a_query_turns_attention_and_its_padding_does_not(encoder: str, scorer: str) -> None:
    model, inputs = small_encoded(encoder, scorer, query=True), batch()
    query = torch.tensor([[2, 9, 3, 0], [2, 11, 12, 3], [2, 9, 3, 0], [2, 30, 3, 0]])
    inputs = inputs._replace(query=query)
    logits, row = output(model, inputs)
    other, other_row = output(model, inputs._replace(query=query.flip(0)))
    assert not torch.allclose(row, other_row)
    assert not torch.allclose(logits, other)
    one = alone(inputs, 2)._replace(query=query[2:3, :3])
    assert torch.allclose(output(model, one)[0][0], logits[2], atol=1e-6)
    with pytest.raises(ValueError, match="give its tokens"):
        output(model, inputs._replace(query=None))


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("method", [m for m in EXPLAINERS if m != "expnet"])
def test_explainers_score_the_words_or_say_why_not(encoder: str, method: str) -> None:
    model, inputs = small_encoded(encoder), batch()
    refused = {"rollout", "attcat", "attn_lrp", "cp_lrp", "lrp", "full_lrp", "mgae",
               "transformer_attribution"}  # fmt: skip
    options = QUICK.get(method, {})
    if method in refused:
        with pytest.raises(CannotExplainError):
            scores(model, inputs.tokens, inputs.present, method)
        return
    found = scores(model, inputs.tokens, inputs.present, method, **options)
    assert found.isfinite().all()
    assert (found[~inputs.present] == 0).all()
    assert found.abs().sum() > 0
    one = alone(inputs, 1)
    its = scores(model, one.tokens, one.present, method, **options)
    if method not in ("lime", "shap"):  # which draw other samples
        assert torch.allclose(found[1, : its.shape[1]], its[0], atol=1e-5)


def test_an_lstm_can_be_derived_on_a_gpu_that_judges() -> None:
    """cuDNN refuses the gradient of an LSTM in eval mode, which explainers ask for."""
    model = small_encoded().eval()
    assert not model.training
    assert model.encoder.forth.training
    assert model.encoder.back.training


def test_padding_on_the_left_is_refused() -> None:
    model, inputs = small_encoded(), batch()
    with pytest.raises(ValueError, match="pad on the right"):
        model(inputs.tokens.flip(-1), attention_mask=inputs.present.flip(-1))
    with pytest.raises(ValueError, match="pad on the right"):
        scores(model, inputs.tokens.flip(-1), inputs.present.flip(-1), "attention")


@pytest.mark.parametrize(("encoder", "scorer"), BOTH)
def test_saved_and_opened_as_transformers_does(encoder: str, scorer: str, tmp_path: Path) -> None:
    texts = small_texts(40, 0).texts
    tokenizer = train_tokenizer(texts, 100, 24)
    names = {"id2label": {0: "bad", 1: "good"}, "label2id": {"bad": 0, "good": 1}}
    model = small_encoded(encoder, scorer, vocab_size=len(tokenizer), num_labels=2, **names)
    save_player(model, tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
    opened = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    weights = opened.state_dict()
    assert all(torch.equal(w, weights[name]) for name, w in model.state_dict().items())
    classifier = afa_ray.load(tmp_path)
    found = classifier.explain(texts[:3], ("attention", "leave_one_out"))
    classify = pipeline(
        "text-classification", model=opened, tokenizer=AutoTokenizer.from_pretrained(tmp_path)
    )
    for explanation, row in zip(found, classify(texts[:3]), strict=True):
        assert explanation.label == row["label"]
        assert explanation.probability == pytest.approx(row["score"], abs=1e-6)
        assert sum(explanation.scores["attention"]) == pytest.approx(1.0, abs=1e-6)
    read = AutoTokenizer.from_pretrained(tmp_path)(texts[:3], padding=True, return_tensors="pt")
    row = afa_ray.attention_row(opened, **read)
    assert torch.allclose(row.sum(-1), torch.ones(3))
