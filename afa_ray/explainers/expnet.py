"""ExpNet: a small network that learns from human marks how to read the last layer's attention.

A token's features are the reading position's attention to it and its attention to the reading
position, by head. An MLP makes of them the probability that a human would mark the token.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from afa_ray.errors import UserError, first_line
from afa_ray.explainers.interface import CannotExplainError
from afa_ray.explainers.layers import layers_of, row_of, rows_by_head
from afa_ray.models import OwnTarget
from afa_ray.models.interface import AttentionModel, Inputs


@dataclass(frozen=True)
class ExpNetConfig:
    """`features`: numbers a token, 2 H, or H for a single layer; `hidden`: width of two layers."""

    features: int
    hidden: int = 64


class ExpNet(nn.Module):
    """(…, F) features -> (…,) logits of being marked."""

    def __init__(self, config: ExpNetConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.Sequential(
            nn.Linear(config.features, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features)[..., 0]

    def save(self, folder: Path) -> None:
        """Write `config.json` and `model.safetensors`."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})
        text = json.dumps({"model_type": "afa-expnet"} | asdict(self.config), indent=2)
        (folder / "config.json").write_text(text + "\n", encoding="utf-8")

    @staticmethod
    def load(folder: Path) -> ExpNet:
        """What was saved there.

        Raises:
            UserError: no ExpNet in this folder.
        """
        try:
            saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            if saved.pop("model_type") != "afa-expnet":
                raise ValueError("its config.json is another model's")
            net = ExpNet(ExpNetConfig(**saved))
            net.load_state_dict(load_file(folder / "model.safetensors"))
        except Exception as error:  # broken files raise anything
            raise UserError(f"{folder}: no ExpNet that can be read: {first_line(error)}") from error
        return net.eval()


def expnet(
    model: AttentionModel,
    inputs: Inputs,
    classes: Tensor,
    *,
    net: ExpNet | str | Path | None = None,
) -> Tensor:
    """The probability that a human would mark the token, for whatever class.

    Args:
        net: a trained one, or its folder.
    """
    if net is None:
        raise CannotExplainError("expnet: it has to learn from human marks first: give net")
    if not isinstance(net, ExpNet):
        net = ExpNet.load(Path(net))
    with torch.no_grad():
        features = attention_features(model, inputs)
        if features.shape[-1] != net.config.features:
            raise CannotExplainError(
                f"expnet: this one was trained on {net.config.features} features of a token, and "
                f"the model's attention has {features.shape[-1]}"
            )
        return net.to(features.device)(features).sigmoid()


def attention_features(model: AttentionModel, inputs: Inputs) -> Tensor:
    """(B, L, F) float32 of each token, 0 at padding: F = 2 H, the reading position's attention to
    it and its attention to the reading position; a single layer has the first H alone."""
    if isinstance(model, OwnTarget):
        return rows_by_head(model, inputs).transpose(1, 2).float()
    from afa_ray.models.pretrained import roll

    layers = layers_of("expnet", model, inputs)
    weights = layers.maps[-1].float().transpose(1, 2)  # (B, L, H, L)
    to_it = row_of(weights, layers).transpose(1, 2)
    from_it = row_of(weights.permute(0, 3, 1, 2), layers)  # of each query, by head
    both = torch.cat([to_it, from_it], -1) * layers.mask[..., None]
    return roll(both, -layers.shift)


def focal_loss(logits: Tensor, marked: Tensor, gamma: float = 2.0, alpha: float = 0.25) -> Tensor:
    """Mean of -a (1 - p)^gamma log p, p the probability of what is true, a = alpha at marked tokens
    and 1 - alpha at others (Lin et al. 2017).

    Args:
        logits: (N,); marked: (N,) bool.
    """
    surprise = F.binary_cross_entropy_with_logits(logits, marked.float(), reduction="none")
    weight = torch.where(marked, alpha, 1 - alpha)
    return (weight * (1 - (-surprise).exp()) ** gamma * surprise).mean()


def train_expnet(
    features: Tensor,
    marked: Tensor,
    *,
    hidden: int = 64,
    epochs: int = 20,
    batch: int = 512,
    rate: float = 1e-3,
    gamma: float = 2.0,
    alpha: float = 0.25,
    seed: int = 0,
) -> ExpNet:
    """An ExpNet of (N, F) features and (N,) marks by Adam on the focal loss; `batch` tokens a step.

    Raises:
        ValueError: no token, or not one that is marked and one that is not.
    """
    if not 0 < int(marked.sum()) < len(marked):
        raise ValueError(f"{int(marked.sum())} of {len(marked)} tokens are marked: some must be")
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        net = ExpNet(ExpNetConfig(features.shape[1], hidden))
        optimizer = torch.optim.Adam(net.parameters(), rate)
        for _ in range(epochs):
            for some in torch.randperm(len(features)).split(batch):
                optimizer.zero_grad()
                focal_loss(net(features[some]), marked[some], gamma, alpha).backward()
                optimizer.step()
    return net.eval()
