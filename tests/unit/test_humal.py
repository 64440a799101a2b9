"""Human attention in training: AL, AN and AP by hand, in the single layer and pretrained ones."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from afa_ray.complaints import complaints
from afa_ray.config import Settings
from afa_ray.data.corpus import Corpus
from afa_ray.data.packed import PackedTexts
from afa_ray.dotted import override
from afa_ray.errors import UserError
from afa_ray.models.interface import Inputs
from afa_ray.models.loading import load_pretrained
from afa_ray.models.single_query import Attended, transform
from afa_ray.models.told import Told, telling
from afa_ray.objectives.rival_checks import require_supervisable
from tests.families import save_tiny
from tests.tokenizers import byte_pairs, word_pieces
from tests.unit.test_models import small_target
from tests.unit.test_rivals import figures_after

MakeSettings = Callable[..., Settings]
TOKENS = torch.tensor([[2, 7, 8, 9, 7, 3], [2, 11, 12, 3, 0, 0]])
H = torch.tensor([[0, 0.5, 0, 0.5, 0, 0], [0.0] * 6])  # nobody marked the second text


def with_people(corpus: Corpus) -> Corpus:
    """Twice as many marked what the marks say; the first texts have no marks."""
    marks = corpus.train.marks
    assert marks is not None
    human = marks.astype(np.float32) * 2
    human[: corpus.train.offsets[20]] = 0
    return replace(corpus, train=replace(corpus.train, human=human))


@torch.no_grad()
def test_an_adds_what_people_attend_to() -> None:
    target = small_target()
    plain = target(TOKENS)
    for evenly in (False, True):
        with telling(target, Told(H, instead=False, factor=2.0, evenly=evenly)):
            told = target(TOKENS)
        assert torch.equal(told.attention_row, plain.attention_row)
        assert torch.allclose(told.logits[1], plain.logits[1])
        # by hand: rows that sum to 3, or to 1 again, in every head
        by_head = target(TOKENS, output_attentions=True).attentions[0][:1]
        rows = by_head + 2 * H[:1, None]
        rows = rows / 3 if evenly else rows
        x = target.words(TOKENS[:1]) + target.positions.weight[:6]
        context = torch.einsum("bhl,bld->bhd", rows, x)
        attended = attend_like(target, x[:, -1], context, rows.sum(-1, keepdim=True))
        torch.testing.assert_close(told.logits[:1], attended, atol=1e-5, rtol=1e-5)
    assert torch.equal(target(TOKENS).logits, plain.logits)  # and leaves nothing behind


def attend_like(target, last, context, mass):  # type: ignore[no-untyped-def]
    return target.classifier(transform(target.layer, Attended(last, context, mass)))


@torch.no_grad()
def test_ap_replaces_the_first_readings_attention() -> None:
    target = small_target(hops=2)
    plain = target(TOKENS)
    with telling(target, Told(H, instead=True)):
        told = target(TOKENS)
    assert not torch.allclose(told.attention_row[0], plain.attention_row[0])
    torch.testing.assert_close(told.attention_row[1], plain.attention_row[1])
    torch.testing.assert_close(told.logits[1], plain.logits[1])
    one = small_target()  # by a single hop the row that is given is that of `decide`
    one.load_state_dict(target.state_dict(), strict=False)
    with telling(one, Told(H, instead=True)):
        replaced = one(TOKENS)
    inputs = Inputs(TOKENS, TOKENS != 0)
    by_row = one.decide(one.embed(inputs), inputs, H)
    torch.testing.assert_close(replaced.logits[0], by_row.logits[0], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_first_readings_row() -> None:
    target = small_target(hops=2)
    assert target(TOKENS).first_row is None
    target.shows_first = True
    one = small_target()
    one.load_state_dict(target.state_dict(), strict=False)
    torch.testing.assert_close(target(TOKENS).first_row, one(TOKENS).attention_row)


@pytest.mark.parametrize("family", ["bert", "llama"])
@torch.no_grad()
def test_pretrained_models_are_told_alike_on_either_side_of_padding(
    family: str, tmp_path: Path
) -> None:
    make = word_pieces if family == "bert" else byte_pairs
    tokenizer = make(["some words of a text"])
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    folder = save_tiny(family, tmp_path / family, tokenizer)
    target, _, _ = load_pretrained(
        folder, label_names=["a", "b"], pad_id=tokenizer.pad_token_id, dtype="float32"
    )
    target.eval()
    tokens = torch.tensor([[7, 8, 9, 10, 11], [12, 7, 8, 0, 0]])
    mask = torch.tensor([[1] * 5, [1, 1, 1, 0, 0]])
    weights = torch.tensor([[0.0] * 5, [0, 0.5, 0.5, 0, 0]])
    plain = target(tokens, mask)
    turned = [x.roll(2, 1) for x in (tokens[1:], mask[1:], weights[1:])]
    for told in (Told(weights, instead=False, factor=2.0), Told(weights, instead=True)):
        with telling(target, told):
            found = target(tokens, mask)
        torch.testing.assert_close(found.logits[0], plain.logits[0])
        assert not torch.allclose(found.logits[1], plain.logits[1])
        with telling(target, replace(told, weights=turned[2])):
            moved = target(*turned[:2])
        torch.testing.assert_close(moved.logits[0], found.logits[1], atol=1e-5, rtol=1e-5)
    target.shows_first = True
    first = target(tokens, mask).first_row
    torch.testing.assert_close(first.sum(-1), torch.ones(2))
    assert (first[1, 3:] == 0).all()
    assert torch.equal(target(tokens, mask).logits, plain.logits)


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("humal-al", {}),
        ("humal-al", {"supervision.humal.positions": "words"}),
        ("humal-ap", {"target.hops": 2}),
    ],
)
def test_attention_comes_nearer_to_peoples(
    method: str, more: dict, tiny_settings: MakeSettings, small_corpus: Corpus, tmp_path: Path
) -> None:
    values = {"afa.lambda_adv": 0.0, "supervision.method": method, "train.target_lr": 1e-2, **more}
    corpus = with_people(small_corpus)
    without = figures_after(
        tiny_settings(values | {"supervision.weight": 0.0}), corpus, tmp_path, 30
    )
    found = figures_after(tiny_settings(values), corpus, tmp_path, 30)
    assert 0.6 < found["train/supervised"] < 1  # some texts have no marks
    assert found["train/loss_attention"] < 0.9 * without["train/loss_attention"]


@pytest.mark.parametrize(
    "more", [{"supervision.method": "humal-an"},
             {"supervision.method": "humal-an", "supervision.humal.evenly": True},
             {"supervision.method": "humal-ap", "supervision.humal.first": "replace",
              "target.hops": 2}]
)  # fmt: skip
def test_told_what_people_attend_to_a_target_learns_the_class_sooner(
    more: dict, tiny_settings: MakeSettings, small_corpus: Corpus, tmp_path: Path
) -> None:
    values = {"afa.lambda_adv": 0.0, "train.target_lr": 2e-3, **more}
    corpus = with_people(small_corpus)
    plain = figures_after(tiny_settings(values | {"supervision.method": "none"}), corpus, tmp_path)
    told = figures_after(tiny_settings(values), corpus, tmp_path)
    assert told["train/loss_cls"] < 0.9 * plain["train/loss_cls"]


def test_what_cannot_be_is_said(tiny_settings: MakeSettings, small_corpus: Corpus) -> None:
    ap = override(Settings(), {"supervision.method": "humal-ap"})
    assert any("target.hops = 1 has one" in fault for fault in complaints(ap))
    assert complaints(override(ap, {"target.hops": 2})) == []
    nothing: PackedTexts = replace(small_corpus.train, marks=None)
    unmarked = replace(small_corpus, train=nothing)
    rationale = {"supervision.method": "sana", "supervision.sana.seed": "rationale"}
    for values in ({"supervision.method": "humal-al"}, rationale):
        require_supervisable(tiny_settings(values), small_corpus)
        with pytest.raises(UserError, match=r"nobody marked words in the training texts of small"):
            require_supervisable(tiny_settings(values), unmarked)
    require_supervisable(tiny_settings({"supervision.method": "sana"}), unmarked)
