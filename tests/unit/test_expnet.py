"""ExpNet: its features, its loss, and that it learns from marks."""

from pathlib import Path

import numpy as np
import pytest
import torch

from afa_ray.errors import UserError
from afa_ray.explainers import CannotExplainError, scores
from afa_ray.explainers.expnet import (
    ExpNet,
    ExpNetConfig,
    attention_features,
    focal_loss,
    train_expnet,
)
from afa_ray.models.interface import Inputs
from tests.families import tiny
from tests.unit.test_explainers import batch, model_named


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_features_are_attention_to_a_token_and_from_it(family: str) -> None:
    ids, mask = batch(family)
    found = attention_features(model_named(family), Inputs(ids, mask.bool()))
    assert found.shape == (3, 9, 8)
    model = tiny(family)
    model.set_attn_implementation("eager")
    for i, length in enumerate(mask.sum(1).tolist()):
        alone = ids[i : i + 1, :length]
        weights = model(alone, output_attentions=True).attentions[-1][0]
        read = 0 if family == "bert" else length - 1
        textbook = torch.cat([weights[:, read].T, weights[:, :, read].T], -1)
        assert torch.allclose(found[i, :length], textbook, atol=1e-5)
        assert (found[i, length:] == 0).all()


def test_features_of_a_single_layer_are_its_row() -> None:
    ids, mask = batch("one hop")
    model = model_named("one hop")
    found = attention_features(model, Inputs(ids, mask.bool()))
    assert found.shape == (4, 9, 4)
    assert torch.allclose(found.mean(-1), model(ids, mask).attention_row, atol=1e-6)


def test_focal_loss_by_hand() -> None:
    """Probability .8 of a mark, marked: .25 * .2² * -log .8; unmarked: .75 * .8² * -log .2."""
    logit = torch.tensor([np.log(4.0)])
    assert focal_loss(logit, torch.tensor([True])).item() == pytest.approx(-0.01 * np.log(0.8))
    assert focal_loss(logit, torch.tensor([False])).item() == pytest.approx(-0.48 * np.log(0.2))
    assert focal_loss(logit, torch.tensor([False]), 0, 0.5).item() == pytest.approx(
        -0.5 * np.log(0.2)
    )


def test_it_learns_what_is_marked_and_keeps_it(tmp_path: Path) -> None:
    """Tokens with much attention of the second head and little of the first one."""
    torch.manual_seed(0)
    features = torch.rand(2000, 4)
    marked = features[:, 1] - features[:, 0] > 0.3
    net = train_expnet(features, marked, epochs=60)
    best = net(features).topk(int(marked.sum())).indices
    assert marked[best].float().mean() > 0.95
    again = train_expnet(features, marked, epochs=60)
    assert torch.equal(net(features), again(features))
    net.save(tmp_path / "net")
    kept = ExpNet.load(tmp_path / "net")
    assert kept.config == net.config
    assert torch.equal(kept(features), net(features))
    model, (ids, mask) = model_named("one hop"), batch("one hop")
    by_folder = scores(model, ids, mask, "expnet", net=tmp_path / "net")
    assert torch.equal(by_folder, scores(model, ids, mask, "expnet", net=net))
    expected = net(attention_features(model, Inputs(ids, mask.bool()))).sigmoid() * mask
    assert torch.allclose(by_folder, expected, atol=1e-6)
    with pytest.raises(CannotExplainError, match="trained on 4 features"):
        scores(model_named("bert"), *batch("bert"), "expnet", net=net)


def test_what_cannot_be_learned_or_opened_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0 of 3 tokens are marked"):
        train_expnet(torch.rand(3, 4), torch.zeros(3).bool())
    with pytest.raises(UserError, match="no ExpNet that can be read"):
        ExpNet.load(tmp_path)
    ExpNet(ExpNetConfig(4)).save(tmp_path)
    text = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(text.replace("afa-expnet", "bert"))
    with pytest.raises(UserError, match="another model's"):
        ExpNet.load(tmp_path)
