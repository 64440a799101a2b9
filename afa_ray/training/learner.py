"""One alternating update of Discriminator and Target: Algorithm 1 of Liu (arXiv 2512.20661).

For a mini-batch: the Target's attention row chooses M masks of every sequence; the Discriminator
learns to tell untouched sequences from masked ones; then, with the Discriminator as just updated,
the masking environment pays log-confusion for each mask, and the Target descends its
classification loss plus lambda times the policy gradient on its attention.

Simplified against the paper: the Discriminator's update uses the first of the M masks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from afa_ray.config import Settings
from afa_ray.data.batches import Batch
from afa_ray.losses import adversarial_loss, discriminator_loss, target_loss
from afa_ray.models import Discriminator, DiscriminatorConfig, Target, TargetConfig
from afa_ray.noise import uniform
from afa_ray.policy import Choice, attention_entropy, log_prob, select
from envs import MaskingVectorEnv, group_advantage

PLAIN_METRICS = ("loss", "loss_cls", "accuracy", "attention_entropy")
AFA_METRICS = (
    *PLAIN_METRICS,
    "loss_adv",
    "loss_d",
    "d_accuracy",
    "reward_mean",
    "reward_spread",
)

Wrap = Callable[[nn.Module], nn.Module]


class Rollout(NamedTuple):
    """What one mini-batch played: tokens (B, L), row (B, L), masks (B, M, L), rewards (B, M)."""

    tokens: Tensor
    row: Tensor
    masks: Tensor
    rewards: Tensor


class Learner:
    """Target, Discriminator, their optimisers and the environment between them.

    Args:
        settings: `afa`, `discriminator.pairing` and `train` are used here.
        target, discriminator: on `device`; `discriminator` is None for plain training.
        special_ids: ids never masked; pad_id and mask_id: of the tokenizer.
        wrap: applied to each module for its own update (DistributedDataParallel); by default none.
        rank: this worker's number, for its dropout noise.
    """

    def __init__(
        self,
        settings: Settings,
        target: Target,
        discriminator: Discriminator | None,
        *,
        special_ids: tuple[int, ...],
        pad_id: int,
        mask_id: int,
        device: torch.device,
        wrap: Wrap = lambda module: module,
        rank: int = 0,
    ) -> None:
        self.afa, self.train = settings.afa, settings.train
        self.contrast = settings.discriminator.pairing == "contrast"
        self.device, self.rank = device, rank
        self.pad_id = pad_id
        self.target, self._wrapped_target = target, wrap(target)
        self.target_optimizer = _adam(target, self.train.target_lr)
        self.discriminator = discriminator
        if discriminator is not None:
            self._wrapped_discriminator = wrap(discriminator)
            self.discriminator_optimizer = _adam(discriminator, self.train.discriminator_lr)
            self.env = MaskingVectorEnv(
                discriminator=discriminator,
                k=self.afa.k,
                mask=self.afa.mask,
                special_ids=special_ids,
                pad_id=pad_id,
                mask_id=mask_id,
                device=device,
            )
        self.metrics = PLAIN_METRICS if discriminator is None else AFA_METRICS
        self.sums = torch.zeros(len(self.metrics) + 2, device=device, dtype=torch.float64)
        self.rollout: Rollout | None = None

    @property
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        both: dict[str, torch.optim.Optimizer] = {"target": self.target_optimizer}
        if self.discriminator is not None:
            both["discriminator"] = self.discriminator_optimizer
        return both

    def update(self, batch: Batch, step: int) -> None:
        """One Discriminator update, then one Target update; the figures are added to `sums`."""
        torch.manual_seed(hash((self.train.seed, step, self.rank)) % 2**63)  # dropout
        tokens, labels, examples = (
            torch.from_numpy(x).to(self.device, non_blocking=True)
            for x in (batch.tokens, batch.labels, batch.examples)
        )
        self.target.train()
        with self._autocast():
            output = self._wrapped_target(tokens, attention_mask=tokens != self.pad_id)
        logits, row = output.logits.float(), output.attention_row.float()
        adversarial = torch.zeros((), device=self.device)
        figures: dict[str, Tensor] = {}
        if self.discriminator is not None:
            adversarial, figures = self._feedback(batch, tokens, labels, examples, row, step)
        loss = target_loss(logits, labels, adversarial, self.afa.lambda_adv)
        _descend(self.target_optimizer, loss * batch.weight)
        with torch.no_grad():
            figures |= {
                "loss": loss,
                "loss_cls": F.cross_entropy(logits, labels),
                "accuracy": (logits.argmax(-1) == labels).float().mean(),
                "attention_entropy": attention_entropy(row).mean(),
            }
            self._count(figures, len(tokens), (tokens != self.pad_id).sum())

    def _feedback(
        self,
        batch: Batch,
        tokens: Tensor,
        labels: Tensor,
        examples: Tensor,
        row: Tensor,
        step: int,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Play the batch: L_adv, with gradient in `row`, and the game's figures."""
        condition = {"condition": labels} if self.contrast else {}
        observation, _ = self.env.reset(options={"sequences": tokens, **condition})
        maskable = observation["maskable"].bool()
        choice = self._choose(row, maskable, examples, step)
        loss_d, accuracy = self._update_discriminator(batch, tokens, labels, choice)

        assert self.discriminator is not None
        self.discriminator.eval()
        with self._autocast():
            _, rewards, *_ = self.env.step(choice.masks)  # (B, M)
        advantages = group_advantage(rewards, self.afa.normalize_advantage)
        log_probs = log_prob(row, maskable, choice, self.afa.epsilon, self.afa.policy)
        adversarial = adversarial_loss(advantages, log_probs)
        self.rollout = Rollout(tokens, row.detach(), choice.masks, rewards)
        return adversarial, {
            "loss_adv": adversarial.detach(),
            "loss_d": loss_d,
            "d_accuracy": accuracy,
            "reward_mean": rewards.mean(),
            "reward_spread": rewards.std(-1, correction=0).mean(),
        }

    def _choose(self, row: Tensor, maskable: Tensor, examples: Tensor, step: int) -> Choice:
        afa = self.afa
        noise = uniform(self.train.seed, step, examples, afa.num_masks, 1 + row.shape[1])
        return select(row, maskable, noise, afa.k, afa.epsilon, afa.policy)

    def _update_discriminator(
        self, batch: Batch, tokens: Tensor, labels: Tensor, choice: Choice
    ) -> tuple[Tensor, Tensor]:
        """(E5) on the first mask of each sequence: loss and accuracy."""
        assert self.discriminator is not None
        masked = self.env.game.mask_out(tokens, choice.masks[:, 0])
        untouched = tokens
        if batch.partners is not None:
            untouched = torch.from_numpy(batch.partners).to(self.device, non_blocking=True)
        both = stack_padded(untouched, masked, self.pad_id)
        self.discriminator.train()
        with self._autocast():
            condition = (labels.repeat(2),) if self.contrast else ()
            untouched_logits, masked_logits = self._wrapped_discriminator(both, *condition).chunk(2)
            loss = discriminator_loss(untouched_logits.float(), masked_logits.float())
        _descend(self.discriminator_optimizer, loss * batch.weight)
        right = (untouched_logits > 0).float() + (masked_logits <= 0).float()
        return loss.detach(), right.mean() / 2

    def _autocast(self) -> torch.autocast:
        bf16 = self.device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.autocast(self.device.type, torch.bfloat16, enabled=bf16)

    def _count(self, figures: dict[str, Tensor], texts: int, tokens: Tensor) -> None:
        means = torch.stack([figures[name].double() for name in self.metrics])
        self.sums[:-2] += means * texts
        self.sums[-2] += texts
        self.sums[-1] += tokens


def averages(sums: Tensor, names: tuple[str, ...]) -> tuple[dict[str, float], int]:
    """Means per text of `Learner.sums` (added up over workers), and the number of real tokens."""
    *totals, texts, tokens = sums.tolist()
    means = {f"train/{n}": t / max(texts, 1) for n, t in zip(names, totals, strict=True)}
    return means, int(tokens)


def stack_padded(first: Tensor, second: Tensor, pad_id: int) -> Tensor:
    """One (2 B, L) batch of two, each padded to the longer."""
    length = max(first.shape[1], second.shape[1])
    return torch.cat([F.pad(x, (0, length - x.shape[1]), value=pad_id) for x in (first, second)])


def _adam(module: nn.Module, lr: float) -> torch.optim.Adam:
    return torch.optim.Adam(module.parameters(), lr=lr, fused=True)


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


def build_players(
    settings: Settings,
    *,
    label_names: list[str],
    vocab_size: int,
    vectors: np.ndarray | None,
) -> tuple[Target, Discriminator | None]:
    """Target and Discriminator with the initial weights of `train.seed`.

    Plain training has no Discriminator: None.
    """
    sizes: dict[str, Any] = {
        "vocab_size": vocab_size,
        "max_position_embeddings": settings.data.max_length,
        "dropout": settings.target.dropout,
    }
    torch.manual_seed(settings.train.seed)
    target = Target(
        TargetConfig(
            hidden_size=settings.target.hidden_size,
            num_attention_heads=settings.target.heads,
            id2label=dict(enumerate(label_names)),
            label2id={name: i for i, name in enumerate(label_names)},
            **sizes,
        )
    )
    if vectors is not None:
        target.words.weight.data.copy_(torch.from_numpy(vectors))
    if settings.afa.lambda_adv == 0:
        return target, None
    discriminator = Discriminator(
        DiscriminatorConfig(
            hidden_size=settings.discriminator.hidden_size,
            num_attention_heads=settings.discriminator.heads,
            readout=settings.discriminator.readout,
            num_classes=len(label_names) if settings.discriminator.pairing == "contrast" else 0,
            **sizes,
        )
    )
    return target, discriminator
