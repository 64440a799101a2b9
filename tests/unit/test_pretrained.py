"""Any Hugging Face classifier as the Target: its row is that of its own eager attention."""

import copy

import pytest
import torch
from torch import Tensor
from transformers import GptOssConfig, GptOssForSequenceClassification

from afa_ray.models.attention_row import attend
from afa_ray.models.pretrained import PretrainedTarget
from afa_ray.models.probing import UnreadableAttentionError
from tests.families import FAMILIES, GROUPED, PAD, SIZES, VOCABULARY, tiny

LENGTHS = (9, 5, 2)
FIRST = {"bert", "roberta", "distilbert", "modernbert", "deberta", "deberta-v2"}
EAGER = {"deberta", "deberta-v2", "xlnet"}
WINDOWS = {"gemma2": 9, "gemma3": 4}  # of the last layer
COLUMNS = torch.arange(max(LENGTHS))


def padded(side: str) -> tuple[Tensor, Tensor]:
    """(3, 9) ids of sequences of 9, 5 and 2 tokens, and their mask."""
    torch.manual_seed(1)
    ids = torch.randint(4, VOCABULARY, (3, 9))
    real = torch.tensor(LENGTHS)[:, None] > COLUMNS
    if side == "left":
        real = real.flip(1)
        ids = torch.stack([row.roll(9 - n) for row, n in zip(ids, LENGTHS, strict=True)])
    return ids.masked_fill(~real, PAD), real.long()


def textbook(family: str, dtype: torch.dtype, weight: Tensor) -> tuple[Tensor, Tensor, list]:
    """Rows (3, 9), logits and gradients of (row * weight).sum() by eager attention, each sequence
    by itself, without padding."""
    model = tiny(family).to(dtype)
    model.set_attn_implementation("eager")
    ids, _ = padded("right")
    rows, logits = [], []
    for i, length in enumerate(LENGTHS):
        alone = ids[i : i + 1, :length]
        output = model(
            input_ids=alone, attention_mask=torch.ones_like(alone), output_attentions=True
        )
        position = 0 if family in FIRST else length - 1
        assert len(output.attentions) == model.config.num_hidden_layers
        row = output.attentions[-1][0, :, position].float().mean(0)
        rows.append(torch.cat([row, torch.zeros(9 - length)]))
        logits.append(output.logits[0])
    together = torch.stack(rows)
    (together * weight).sum().backward()
    return together.detach(), torch.stack(logits), [p.grad for p in model.parameters()]


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_row_is_that_of_eager_attention(family: str, dtype: torch.dtype, side: str) -> None:
    if family == "xlnet" and dtype == torch.bfloat16:
        pytest.skip("transformers' XLNet mixes float32 into bfloat16 and fails by itself")
    torch.manual_seed(2)
    weight = torch.randn(3, 9)
    rows, logits, gradients = textbook(family, dtype, weight)
    target = PretrainedTarget(tiny(family).to(dtype)).eval()
    assert target.eager == (family in EAGER)
    assert target.softcap == (2 if family == "gemma2" else None)
    output = target(*padded(side))
    found = output.attention_row
    assert found is not None
    assert (found[padded(side)[1] == 0] == 0).all()
    assert ((found > 0).sum(1) == torch.tensor(LENGTHS).clamp_max(WINDOWS.get(family, 9))).all()
    if side == "left":
        found = torch.stack([r.roll(n - 9) for r, n in zip(found, LENGTHS, strict=True)])
    value, slope = (1e-5, 1e-4) if dtype == torch.float32 else (0.02, 0.1)
    assert torch.allclose(found, rows, atol=value)
    assert torch.allclose(output.logits, logits, atol=10 * value * logits.abs().max().item())
    assert rows.amax(1)[0] > 1.15 / LENGTHS[0]  # attention is not even
    (found * weight).sum().backward()
    largest = max(g.abs().max().item() for g in gradients if g is not None)
    for (name, parameter), expected in zip(target.model.named_parameters(), gradients, strict=True):
        if expected is not None:
            assert parameter.grad is not None, name
            assert torch.allclose(parameter.grad, expected, atol=slope * largest), name


@pytest.mark.parametrize("family", FAMILIES)
def test_dropout_leaves_the_row_a_distribution(family: str) -> None:
    target = PretrainedTarget(tiny(family)).train()
    ids, mask = padded("right")
    row = target(ids, mask).attention_row
    assert torch.allclose(row.sum(1), torch.ones(3), atol=1e-5)
    assert (row > 0).sum(1).tolist() == [min(n, WINDOWS.get(family, n)) for n in LENGTHS]


@pytest.mark.parametrize("family", ["bert", "gpt2", "xlnet"])
def test_an_empty_text_is_read_without_harm(family: str) -> None:
    ids = torch.full((2, 4), PAD)
    ids[0, :3] = 7
    target = PretrainedTarget(tiny(family))
    for mask in (None, (ids != PAD).long()):
        output = target(ids, mask)
        assert torch.isfinite(output.logits).all()
        assert output.attention_row[1].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("family", ["bert", "modernbert", "llama", "deberta-v2"])
def test_checkpointed_gradients_are_the_same(family: str) -> None:
    """Of a loss in logits and row, with dropout."""
    ids, mask = padded("right")
    gradients = []
    for checkpointed in (False, True):
        target = PretrainedTarget(tiny(family)).train()
        if checkpointed:
            target.checkpoint_gradients()
        torch.manual_seed(3)
        output = target(ids, mask)
        (output.logits.square().sum() + output.attention_row.square().sum()).backward()
        gradients.append([p.grad for p in target.parameters()])
    for kept, recomputed in zip(*gradients, strict=True):
        if kept is not None:
            assert torch.allclose(kept, recomputed, rtol=1e-4, atol=1e-6)


def test_the_wrapped_model_is_unchanged() -> None:
    model = tiny("bert")
    before = copy.deepcopy(model)
    target = PretrainedTarget(model)
    ids, mask = padded("right")
    assert torch.allclose(target(ids, mask).logits, before(ids, mask).logits, atol=1e-6)
    assert target(ids, mask, labels=torch.tensor([0, 1, 2])).loss.item() == pytest.approx(
        before(ids, mask, labels=torch.tensor([0, 1, 2])).loss.item(), rel=1e-5
    )


def test_a_classifier_that_reads_all_positions_is_refused() -> None:
    model = tiny("modernbert")
    model.config.classifier_pooling = "mean"
    with pytest.raises(UnreadableAttentionError, match="one position"):
        PretrainedTarget(model)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_that_cannot_be_reached_is_refused(dtype: torch.dtype) -> None:
    """SDPA knows no sinks as GPT-OSS has them, and its eager form has no dropout module."""
    config = GptOssConfig(**SIZES, **GROUPED, num_local_experts=2, num_experts_per_tok=1)
    model = GptOssForSequenceClassification(config)
    for layer in model.model.layers:
        torch.nn.init.ones_(layer.self_attn.sinks)
    with pytest.raises(UnreadableAttentionError, match="cannot be reached"):
        PretrainedTarget(model.to(dtype))


def test_capped_attention_drops_out_as_eager_attention_does() -> None:
    """The mean over many draws is the output without dropout; every draw differs."""
    torch.manual_seed(5)
    query, key, value = torch.randn(3, 1, 4, 6, 8).unbind()
    module = torch.nn.Module()
    options = {"scaling": 0.5, "softcap": 2.0, "is_causal": True}
    still, _ = attend(module, query, key, value, None, dropout=0.0, **options)
    draws = [
        attend(module, query, key, value, None, dropout=0.3, **options)[0] for _ in range(3000)
    ]
    assert not torch.equal(draws[0], draws[1])
    assert torch.allclose(torch.stack(draws).mean(0), still, atol=0.1)
    scores = 2 * torch.tanh(query @ key.transpose(-1, -2) * 0.5 / 2)
    past = torch.ones(6, 6).tril().bool()
    expected = scores.masked_fill(~past, -torch.inf).softmax(-1) @ value
    assert torch.allclose(still, expected.transpose(1, 2), atol=1e-6)


def test_a_head_of_zeros_is_refused() -> None:
    model = tiny("bert")
    torch.nn.init.zeros_(model.classifier.weight)
    with pytest.raises(UnreadableAttentionError, match="all zeros"):
        PretrainedTarget(model)
