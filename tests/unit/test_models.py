"""The absorbed single-query form is the textbook layer; the models are Hugging Face models."""

import pytest
import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)

from afa_ray.models import (
    Discriminator,
    DiscriminatorConfig,
    Target,
    TargetConfig,
    TargetJudge,
    save_player,
)
from afa_ray.models.sequences import Sequences
from afa_ray.models.single_query import attend, make_layer, padding_mask, transform
from envs import delete_tokens, log_confusion

LENGTHS = torch.tensor([7, 3, 1, 9])


def small_target(**changes: object) -> Target:
    torch.manual_seed(0)
    sizes = {"vocab_size": 40, "hidden_size": 32, "max_position_embeddings": 12, "num_labels": 3}
    return Target(TargetConfig(**(sizes | changes))).eval()


def small_discriminator(**changes: object) -> Discriminator:
    torch.manual_seed(1)
    sizes = {"vocab_size": 40, "hidden_size": 32, "max_position_embeddings": 12}
    return Discriminator(DiscriminatorConfig(**(sizes | changes))).eval()


def tokens() -> Tensor:
    torch.manual_seed(2)
    return torch.randint(5, 40, (4, 9)).masked_fill(padding_mask(LENGTHS, 9), 0)


def read(layer: torch.nn.TransformerEncoderLayer, x: Tensor, lengths: Tensor) -> tuple:
    """Outputs (B, d) and rows (B, H, L) of the absorbed form."""
    kept = ~padding_mask(lengths, x.shape[1])[:, None]
    tokens = torch.arange(x.shape[0])[:, None] + torch.zeros(x.shape[:2], dtype=torch.int64)
    attended, rows = attend(layer, Sequences(tokens, x, kept, torch.zeros(x.shape[1:]).to(x)))
    return transform(layer, attended), rows[:, 0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_single_query_equals_the_textbook_layer(dtype: torch.dtype) -> None:
    torch.manual_seed(3)
    layer = make_layer(32, 4, dropout=0.0).to(dtype)
    for parameter in layer.parameters():  # biases and norms away from zero and one
        parameter.data += 0.1 * torch.randn_like(parameter)
    inputs = torch.randn(4, 9, 32, dtype=dtype)
    weight = torch.randn(4, 32, dtype=dtype)
    gradients = []
    outputs = []
    for absorbed in (True, False):
        x = inputs.clone().requires_grad_()
        if absorbed:
            hidden, _ = read(layer, x, LENGTHS)
        else:
            hidden = layer(x, src_key_padding_mask=padding_mask(LENGTHS, 9))
            hidden = hidden[torch.arange(4), LENGTHS - 1]
        found = torch.autograd.grad((hidden * weight).sum(), [x, *layer.parameters()])
        outputs.append(hidden)
        gradients.append(found)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    assert torch.allclose(outputs[0], outputs[1], atol=tolerance)
    for name, ours, textbook in zip(
        ["x", *dict(layer.named_parameters())], *gradients, strict=True
    ):
        assert torch.allclose(ours, textbook, atol=10 * tolerance), name
    padded = gradients[0][0][padding_mask(LENGTHS, 9)]
    assert (padded == 0).all()


def test_rows_are_the_attention_of_the_textbook_layer() -> None:
    torch.manual_seed(3)
    layer = make_layer(32, 4, dropout=0.0)
    x = torch.randn(4, 9, 32)
    _, rows = read(layer, x, LENGTHS)
    _, textbook = layer.self_attn(
        x, x, x, key_padding_mask=padding_mask(LENGTHS, 9), average_attn_weights=False
    )
    expected = textbook[torch.arange(4), :, LENGTHS - 1]
    assert torch.allclose(rows, expected, atol=1e-6)
    assert torch.allclose(rows.sum(-1), torch.ones(4, 4))
    assert (rows.transpose(1, 2)[padding_mask(LENGTHS, 9)] == 0).all()


def test_a_further_hop_reads_the_same_inputs_with_what_it_has_read() -> None:
    """Against the textbook's multi-head attention: values, attention row, and all gradients."""
    model, ids = small_target(hops=2, dropout=0.0).double(), tokens()
    padding, ends = ids == 0, LENGTHS - 1
    weight = torch.randn(4, 3, dtype=torch.float64)
    ours = model(ids)
    x = model.words(ids) + model.positions.weight[: ids.shape[1]]
    hidden = model.layer(x, src_key_padding_mask=padding)[torch.arange(4), ends]
    (second,) = model.further
    read_again, rows = second.self_attn(hidden[:, None], x, x, key_padding_mask=padding)
    hidden = second.norm1(hidden + read_again[:, 0])
    hidden = second.norm2(hidden + second.linear2(second.activation(second.linear1(hidden))))
    textbook = model.classifier(hidden)
    assert torch.allclose(ours.logits, textbook, atol=1e-12)
    assert torch.allclose(ours.attention_row, rows[:, 0], atol=1e-12)
    found, expected = (
        torch.autograd.grad((logits * weight).sum(), list(model.parameters()))
        for logits in (ours.logits, textbook)
    )
    for name, one, other in zip(dict(model.named_parameters()), found, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-10), name


def sharpen(layer: torch.nn.TransformerEncoderLayer, factor: float) -> None:
    """Multiply the layer's attention scores by `factor`: queries and keys by its root each."""
    queries_and_keys = 2 * layer.self_attn.embed_dim
    with torch.no_grad():
        layer.self_attn.in_proj_weight[:queries_and_keys] *= factor**0.5
        layer.self_attn.in_proj_bias[:queries_and_keys] *= factor**0.5


def test_only_a_further_hop_tells_texts_apart() -> None:
    """With one hop, two words' shares of attention are to each other as in any other text."""
    texts = torch.tensor([[2, 10, 11, 20, 3], [2, 10, 11, 30, 3]])  # they differ in one word
    for hops, alike in ((1, True), (2, False)):
        model = small_target(hops=hops)
        for layer in model.layers:
            sharpen(layer, 1000)
        (rows,) = model(texts, output_attentions=True).attentions  # (2, H, L)
        first, second = (rows[..., 1] / rows[..., 2]).unbind()
        assert torch.allclose(first, second, rtol=1e-4) == alike


def test_the_target_judges_its_own_masks() -> None:
    """E6 with D = 1 - p(c | X~) is the Target's loss on the copy."""
    model, ids = small_target(), tokens()
    classes = torch.tensor([0, 1, 2, 0])
    verdicts = TargetJudge(model)(ids, classes)
    p = model(ids).logits.softmax(-1)[torch.arange(4), classes]
    assert torch.allclose(verdicts.sigmoid(), 1 - p, atol=1e-6)
    assert torch.allclose(log_confusion(verdicts), -p.log(), atol=1e-6)


@pytest.mark.parametrize("hops", [1, 2])
def test_copies_that_are_judged_need_not_be_made(hops: int) -> None:
    model, ids = small_target(hops=hops), tokens()
    for layer in model.layers:
        sharpen(layer, 1000)
    ends = torch.nn.functional.one_hot(LENGTHS - 1, 9).bool()
    deleted = (torch.rand(4, 5, 9) < 0.3) & ~ends[:, None]
    classes, judge = torch.tensor([0, 1, 2, 0]), TargetJudge(model)
    shared = judge(ids, classes, deleted=deleted)
    for number in range(5):
        made = delete_tokens(ids, deleted[:, number], 0)
        assert torch.allclose(shared[:, number], judge(made, classes), atol=1e-5)


def test_dropout_leaves_the_row_and_matches_in_distribution() -> None:
    torch.manual_seed(3)
    layer = make_layer(32, 4, dropout=0.3).train()
    x = torch.randn(4, 9, 32)
    _, first = read(layer, x, LENGTHS)
    _, second = read(layer, x, LENGTHS)
    assert torch.equal(first, second)  # the row is read before dropout
    draws = 4000
    wide, lengths = x[:1].expand(draws, -1, -1), LENGTHS[:1].expand(draws)
    with torch.no_grad():
        ours = read(layer, wide, lengths)[0]
        textbook = layer(wide, src_key_padding_mask=padding_mask(lengths, 9))[:, lengths[0] - 1]
    for moment in (torch.mean, torch.std):
        difference = (moment(ours, 0) - moment(textbook, 0)).abs().max()
        assert difference < 0.08, moment.__name__


def test_target_ignores_padding() -> None:
    model, ids = small_target(), tokens()
    together = model(ids)
    for i, length in enumerate(LENGTHS.tolist()):
        alone = model(ids[i : i + 1, :length])
        assert torch.allclose(together.logits[i], alone.logits[0], atol=1e-6)
        assert torch.allclose(together.attention_row[i, :length], alone.attention_row[0], atol=1e-6)
    assert torch.equal(together.logits, model(ids, attention_mask=(ids != 0).long()).logits)


def test_target_is_a_hugging_face_classifier() -> None:
    model, ids = small_target(), tokens()
    labels = torch.tensor([0, 1, 2, 0])
    output = model(ids, labels=labels, output_attentions=True)
    assert output.loss.item() == pytest.approx(
        torch.nn.functional.cross_entropy(output.logits, labels).item()
    )
    assert output.attentions[0].shape == (4, 4, 9)
    assert torch.allclose(output.attentions[0].mean(1), output.attention_row)
    assert isinstance(model(ids, return_dict=False), tuple)
    with pytest.raises(ValueError, match="left"):
        model(ids.flip(1))


def test_too_long_texts_are_read_as_the_tokenizer_truncates_them() -> None:
    model = small_target()
    torch.manual_seed(4)
    long = torch.randint(5, 40, (3, 15))
    long[1, 13:] = 0
    long[2, 4:] = 0
    truncated = long[:, :12].clone()
    truncated[0, 11], truncated[1, 11] = long[0, 14], long[1, 12]
    assert torch.allclose(model(long).logits, model(truncated).logits)


@pytest.mark.parametrize("readout", ["last", "mean"])
@pytest.mark.parametrize("num_classes", [0, 3])
def test_discriminator_ignores_padding_and_reads_the_class(readout: str, num_classes: int) -> None:
    model = small_discriminator(readout=readout, num_classes=num_classes)
    ids = tokens()
    condition = (torch.tensor([0, 1, 2, 0]),) if num_classes else ()
    together = model(ids, *condition)
    assert together.shape == (4,)
    for i, length in enumerate(LENGTHS.tolist()):
        alone = model(ids[i : i + 1, :length], *(c[i : i + 1] for c in condition))
        assert torch.allclose(together[i], alone[0], atol=1e-6)
    if num_classes:
        assert not torch.allclose(together, model(ids, torch.tensor([1, 2, 0, 1])))


def test_discriminator_reads_empty_sequences() -> None:
    for readout in ("last", "mean"):
        logits = small_discriminator(readout=readout)(torch.zeros(2, 5, dtype=torch.int64))
        assert torch.isfinite(logits).all()


def test_mean_readout_averages_the_full_layer() -> None:
    model, ids = small_discriminator(readout="mean"), tokens()
    x = model.words(ids) + model.positions.weight[:9]
    full = model.layer(x, src_key_padding_mask=ids == 0)
    means = torch.stack([full[i, :n].mean(0) for i, n in enumerate(LENGTHS.tolist())])
    assert torch.allclose(model(ids), model.judge(means).squeeze(-1), atol=1e-5)


def test_auto_classes_open_what_was_saved(tmp_path) -> None:
    target, discriminator = small_target(), small_discriminator(num_classes=3)
    save_player(target, tmp_path / "target")
    save_player(discriminator, tmp_path / "discriminator")
    assert not list(tmp_path.rglob("*.bin"))
    opened = AutoModelForSequenceClassification.from_pretrained(tmp_path / "target").eval()
    judge = AutoModel.from_pretrained(tmp_path / "discriminator").eval()
    assert isinstance(AutoConfig.from_pretrained(tmp_path / "target"), TargetConfig)
    ids, classes = tokens(), torch.tensor([0, 1, 2, 0])
    assert torch.equal(opened(ids).logits, target(ids).logits)
    assert torch.equal(judge(ids, classes), discriminator(ids, classes))
    assert isinstance(opened, PreTrainedModel)
    assert isinstance(judge, PreTrainedModel)
    opened.save_pretrained(tmp_path / "again")
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "again").eval()
    assert torch.equal(again(ids).logits, target(ids).logits)


def test_auto_classes_make_new_players() -> None:
    """With the weights that a player of that seed begins with."""
    torch.manual_seed(5)
    target = Target(TargetConfig(vocab_size=40, hidden_size=32))
    torch.manual_seed(5)
    made = AutoModelForSequenceClassification.from_config(
        TargetConfig(vocab_size=40, hidden_size=32)
    )
    pairs = zip(target.named_parameters(), made.named_parameters(), strict=True)
    assert all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


@pytest.mark.parametrize("readout", ["last", "mean"])
@pytest.mark.parametrize("num_classes", [0, 3])
def test_projected_embeddings_are_those_of_a_larger_table(readout: str, num_classes: int) -> None:
    """Reading frozen embeddings through a matrix is having the projected ones as one's own."""
    model = small_discriminator(readout=readout, num_classes=num_classes, embedding_size=24)
    frozen = torch.randn(40, 24)
    model.embed_with(frozen)
    own = small_discriminator(readout=readout, num_classes=num_classes)
    own.load_state_dict(model.state_dict(), strict=False)
    own.words.weight.data = frozen @ model.project.weight.data.T
    ids, condition = tokens(), (torch.tensor([0, 1, 2, 0]),) if num_classes else ()
    ours, textbook = model(ids, *condition), own(ids, *condition)
    assert torch.allclose(ours, textbook, atol=1e-6)
    weight = torch.tensor([1.0, -2.0, 0.5, 3.0])
    (ours * weight).sum().backward()
    (textbook * weight).sum().backward()
    assert torch.allclose(model.project.weight.grad, own.words.weight.grad.T @ frozen, atol=1e-4)
    theirs = dict(own.named_parameters())
    for name, parameter in model.named_parameters():
        if name != "project.weight":
            assert torch.allclose(parameter.grad, theirs[name].grad, atol=1e-4), name
    assert not any("frozen" in name for name in model.state_dict())


def test_the_judge_does_not_grow_with_the_vocabulary() -> None:
    sizes = {
        sum(p.numel() for p in small_discriminator(vocab_size=v, embedding_size=24).parameters())
        for v in (40, 40_000)
    }
    assert len(sizes) == 1


def test_texts_are_read_apart_whatever_is_done_to_their_embeddings() -> None:
    """Equal last tokens may have unequal embeddings: noise or interpolation by a hook."""
    model, ids = small_target(), tokens()
    ids[torch.arange(4), LENGTHS - 1] = 7
    noise = torch.randn(4, 9, 32)
    batch = iter([noise, *noise[:, None]])
    model.words.register_forward_hook(lambda *call: call[2] + 0.1 * next(batch))
    together = model(ids).logits
    apart = torch.cat([model(text[None]).logits for text in ids])
    assert torch.allclose(together, apart, atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_half_precision_and_autocast(training: bool) -> None:
    ids, labels = tokens(), torch.tensor([0, 1, 2, 0])
    small_target().bfloat16().train(training)(ids, labels=labels).loss.backward()
    model = small_target().train(training)
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(ids, labels=labels).loss
    loss.backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


def test_functional_transforms_pass_through() -> None:
    model, ids = small_target(), tokens()

    def total(weights: dict[str, Tensor]) -> Tensor:
        return torch.func.functional_call(model, weights, (ids,)).logits.sum()

    weights = dict(model.named_parameters())
    found = torch.func.grad(total)(weights)
    model(ids).logits.sum().backward()
    for name, gradient in found.items():
        assert torch.allclose(gradient, weights[name].grad, atol=1e-5), name
    shapes = small_target().train().to("meta")(ids.to("meta"))
    assert shapes.logits.shape == (4, 3)
