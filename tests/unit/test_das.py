"""Class keywords without their biases: the three levels by hand, and in an update."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from transformers import AutoModelForSequenceClassification

import afa_ray
from afa_ray.complaints import complaints
from afa_ray.config import Settings
from afa_ray.data.corpus import Corpus
from afa_ray.dotted import override
from afa_ray.errors import UserError
from afa_ray.models import save_player
from afa_ray.models.interface import Inputs, TargetOutput
from afa_ray.objectives.das import ClassKeywords, DirectEffect, WordBranch, fused
from afa_ray.objectives.rival_checks import require_supervisable
from afa_ray.objectives.wanted import ByScore
from afa_ray.training.players import asks_by_label
from tests.unit.test_models import small_target
from tests.unit.test_rivals import figures_after
from tests.unit.test_sana import learner_of, updated
from tests.unit.test_wanted import WORDS, part, table

MakeSettings = Callable[..., Settings]
TOKENS = torch.tensor([[2, 7, 8, 9, 7, 3], [2, 11, 12, 3, 0, 0]])
SCORES = [[0.2, 0.0], [0.6, 0.0], [0.2, 1.0], [0.0, 0.0]]  # of tokens 2 to 5, for two classes
DAS = {"afa.lambda_adv": 0.0, "supervision.method": "das", "train.target_lr": 5e-3}


@pytest.mark.parametrize("hops", [1, 2])
@torch.no_grad()
def test_queries_that_are_zero_change_nothing(hops: int) -> None:
    plain, asking = small_target(hops=hops), small_target(hops=hops, label_queries=True)
    asking.load_state_dict(plain.state_dict(), strict=False)
    ours, theirs = asking(TOKENS), plain(TOKENS)
    torch.testing.assert_close(ours.logits, theirs.logits, atol=1e-7, rtol=1e-6)
    torch.testing.assert_close(ours.attention_row, theirs.attention_row, atol=1e-7, rtol=1e-6)
    assert ours.label_rows.shape == (2, 3, 6)


@torch.no_grad()
def test_each_class_asks_for_itself() -> None:
    asking = small_target(label_queries=True)
    assert asking.label_queries is not None
    asking.label_queries.normal_()
    output = asking(TOKENS)
    rows = []
    for number in range(3):  # each class as the only one that is asked for
        alone = small_target()
        alone.load_state_dict(asking.state_dict(), strict=False)
        bias = alone.layer.self_attn.in_proj_bias
        bias[:32] += asking.label_queries[number]
        rows.append(alone(TOKENS, output_attentions=True).attentions[0])
    by_class = torch.stack(rows, 1)  # (B, C, H, L)
    torch.testing.assert_close(output.label_rows, by_class.mean(2))
    torch.testing.assert_close(output.attention_row, by_class.mean((1, 2)))
    inputs = Inputs(TOKENS, TOKENS != 0)  # the decision is that of the mean rows
    decided = asking.decide(asking.embed(inputs), inputs, by_class.mean(1))
    torch.testing.assert_close(output.logits, decided.logits)
    deleted = torch.zeros(2, 2, 6, dtype=torch.bool)
    deleted[:, 1, 1] = True
    copies = asking.copies(TOKENS, deleted)
    torch.testing.assert_close(copies[:, 0], output.logits)
    without = torch.tensor([[2, 8, 9, 7, 3], [2, 12, 3, 0, 0]])
    torch.testing.assert_close(copies[:, 1], asking(without).logits)


@pytest.mark.parametrize("hops", [1, 2])
def test_gradients_of_label_queries_are_those_of_finite_differences(hops: int) -> None:
    target = small_target(label_queries=True, hops=hops).double()
    assert target.label_queries is not None
    torch.manual_seed(0)
    with torch.no_grad():
        target.label_queries.normal_()
        target.words.weight.mul_(20)  # attention that is not even
    weights = torch.randn(2, 3, 6, dtype=torch.float64)

    def loss() -> torch.Tensor:
        output = target(TOKENS)
        return output.logits.square().sum() + (output.label_rows * weights).sum()

    loss().backward()
    layer = target.layers[-1]
    places = [
        (target.label_queries, (1, 5)),
        (target.words.weight, (8, 3)),
        (target.words.weight, (3, 0)),
        (layer.self_attn.in_proj_weight, (2, 4)),
        (layer.self_attn.in_proj_weight, (40, 7)),
        (target.positions.weight, (2, 2)),
    ]
    for parameter, place in places:
        with torch.no_grad():
            parameter[place] += 1e-6
            up = loss()
            parameter[place] -= 2e-6
            down = loss()
            parameter[place] += 1e-6
        assert parameter.grad is not None
        found = ((up - down) / 2e-6).item()
        assert parameter.grad[place].item() == pytest.approx(found, rel=1e-4, abs=1e-8), place


def test_what_is_wanted_by_hand_is_as_class_with_a_uniform_prior() -> None:
    texts = part([[1, 2, 3, 4, 1], [1, 2, 5, 1, 0], [1, 5, 1, 0, 0]])
    scores = ByScore(WORDS, table(SCORES))
    keywords = ClassKeywords(scores, "kl", pad_id=0)
    by_class = keywords.by_class(texts)
    assert by_class[0].flatten().tolist() == pytest.approx([0, 0.2, 0.6, 0.2, 0, 0, 0, 0, 1, 0])
    assert by_class[1].tolist() == [[0, 1, 0, 0, 0], [0, 0, 0, 0, 0]]  # a class without keywords
    as_class = [scores(texts._replace(labels=torch.full((3,), c))) for c in (0, 1)]
    mean = sum(F.normalize(row, p=1, dim=-1) for row in as_class) / 2
    torch.testing.assert_close(by_class.mean(1), mean)
    row = torch.tensor([[0.1, 0.2, 0.3, 0.3, 0.1]] * 3)
    one, figures = keywords.loss(texts, by_class, TargetOutput(attention_row=row))
    assert figures["supervised"].item() == pytest.approx(2 / 3)
    t = [0.1, 0.3, 0.6]
    first = sum(x * torch.tensor(x / a).log() for x, a in zip(t, [0.2, 0.3, 0.3], strict=True))
    assert one.item() == pytest.approx((first + torch.tensor(1 / 0.2).log()).item() / 2)
    rows = row[:, None].expand(-1, 2, -1)
    each, _ = keywords.loss(texts, by_class, TargetOutput(attention_row=row, label_rows=rows))
    k = [[0.2, 0.6, 0.2], [0.0, 0.0, 1.0]]
    kl = [
        sum(x * torch.tensor(x / a).log() for x, a in zip(c, [0.2, 0.3, 0.3], strict=True) if x)
        for c in k
    ]
    wanted = (sum(kl) / 2 + torch.tensor(1 / 0.2).log() / 2) / 2
    assert each.item() == pytest.approx(wanted.item())


@pytest.mark.parametrize("fuse", ["sum", "mix"])
def test_the_target_and_the_branch_descend_one_loss(fuse: str) -> None:
    """Gradients of the pair as if CE(z + z_w) + .2 CE(z_w) were descended by both at once."""
    torch.manual_seed(0)
    branch = WordBranch(3, 2)
    z = torch.randn(3, 2, requires_grad=True)
    labels = torch.tensor([0, 1, 1])
    texts = part([[1, 2, 3, 1], [1, 4, 1, 0], [1, 5, 1, 0]], labels=labels.tolist())
    numbers = ByScore(WORDS, table([1.0, 2.0, 3.0, 0.0]))
    effect = DirectEffect(numbers, branch, fuse, 0.0, lambda module: module)  # type: ignore[arg-type]
    (said,) = effect.prepare([texts], [TargetOutput(logits=z)], 0)
    assert torch.equal(said[2], branch.classify.bias)  # no keyword
    ours = [p.grad.clone() for p in branch.parameters() if p.grad is not None]
    loss, _ = effect.loss(texts, said, TargetOutput(logits=z))
    (F.cross_entropy(z, labels) + loss).backward()
    assert z.grad is not None
    of_logits = z.grad.clone()
    z.grad = None
    branch.zero_grad()
    words = branch(numbers(texts).long())
    (fused(z, words, labels, fuse) + 0.2 * F.cross_entropy(words, labels)).backward()  # type: ignore[arg-type]
    torch.testing.assert_close(z.grad, of_logits)
    for our, parameter in zip(ours, branch.parameters(), strict=True):
        torch.testing.assert_close(our, parameter.grad)


def test_fused_by_hand() -> None:
    z, words = torch.tensor([[0.8, 0.2]]).log(), torch.tensor([[0.5, 0.5]]).log()
    assert fused(z, words, torch.tensor([1]), "sum").exp().item() == pytest.approx(1 / 0.2)
    assert fused(z, words, torch.tensor([1]), "mix").exp().item() == pytest.approx(1 / 0.23)


@pytest.mark.parametrize(
    "more",
    [{}, {"supervision.das.queries": "shared"}, {"supervision.das.direct_effect": False},
     {"supervision.das.fuse": "mix", "afa.lambda_adv": 0.5, "target.hops": 2}],
)  # fmt: skip
def test_attention_comes_nearer_to_keywords(
    more: dict, tiny_settings: MakeSettings, small_corpus: Corpus, tmp_path: Path
) -> None:
    settings = tiny_settings({**DAS, **more})
    without = figures_after(
        override(settings, {"supervision.weight": 0.0}), small_corpus, tmp_path, 30
    )
    found = figures_after(settings, small_corpus, tmp_path, 30)
    assert found["train/supervised"] > 0.9
    assert found["train/loss_attention"] < 0.95 * without["train/loss_attention"]
    assert ("train/loss_words" in found) == settings.supervision.das.direct_effect


def test_the_branch_is_trained_and_left_out(
    tiny_settings: MakeSettings, small_corpus: Corpus, tmp_path: Path
) -> None:
    learner = updated(learner_of(tiny_settings(DAS), small_corpus, tmp_path), small_corpus, 40)
    assert list(learner.players) == list(learner.optimizers) == ["target", "words"]
    names = [name for name, _ in learner.target.named_parameters()]
    assert "label_queries" in names
    assert not any("branch" in name for name in names)
    assert learner.target.label_queries.abs().max() > 0


def test_how_many_readings(tiny_settings: MakeSettings, small_corpus: Corpus) -> None:
    settings = tiny_settings(DAS)
    assert asks_by_label(settings, 8)
    assert not asks_by_label(settings, 9)  # by default one reading then
    assert not asks_by_label(override(settings, {"supervision.das.queries": "shared"}), 2)
    assert not asks_by_label(override(settings, {"supervision.method": "none"}), 2)
    asked = override(settings, {"supervision.das.queries": "label"})
    require_supervisable(asked, small_corpus)
    many = replace(small_corpus, label_names=[str(i) for i in range(9)])
    with pytest.raises(UserError, match="has 9 classes, and would be read 9 times; use shared"):
        require_supervisable(asked, many)
    more = override(asked, {"supervision.das.most_labels": 9})
    require_supervisable(more, many)
    (fault,) = complaints(override(asked, {"target.name": "some/model"}))
    assert fault.startswith("supervision.das.queries = label: is for target.name = transformer")


@torch.no_grad()
def test_a_saved_model_asks_by_label(tmp_path: Path) -> None:
    target = small_target(label_queries=True)
    target.label_queries.normal_()
    save_player(target, tmp_path)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(model(TOKENS).logits, target(TOKENS).logits)
    row = afa_ray.attention_row(model, input_ids=TOKENS, attention_mask=(TOKENS != 0).long())
    torch.testing.assert_close(row, target(TOKENS).attention_row)
