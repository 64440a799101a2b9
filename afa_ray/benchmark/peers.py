"""What people write today: the textbook forms that the step is timed against.

Each is the plainest form that a fluent user of PyTorch would write and be content with: full
Transformer layers as torch gives them (with its fused attention where weights are not asked for),
fused Adam, no padding mask where nothing is padded. Sizes are those of the models here.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from afa_ray.config import AfaSettings
from afa_ray.data.batches import Batch
from afa_ray.models.precision import Precision, autocast
from envs import delete_tokens

PAD = 0
NEVER_MASKED = 5  # ids below it are special


class TextbookLayer(nn.TransformerEncoderLayer):
    """The layer of torch, which also returns its attention weights where they are asked for."""

    def forward_with_weights(self, x: Tensor, padding: Tensor | None) -> tuple[Tensor, Tensor]:
        attended, weights = self.self_attn(x, x, x, key_padding_mask=padding, need_weights=True)
        x = self.norm1(x + self.dropout1(attended))
        return self.norm2(x + self._ff_block(x)), weights  # weights (B, L, L), mean over heads


class TextbookClassifier(nn.Module):
    """Word and position embeddings, one Transformer layer, a linear layer at the last token."""

    def __init__(self, words: int, length: int, hidden: int, heads: int, outputs: int) -> None:
        super().__init__()
        self.words, self.positions = nn.Embedding(words, hidden), nn.Embedding(length, hidden)
        self.layer = TextbookLayer(hidden, heads, 4 * hidden, 0.3, "gelu", batch_first=True)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, tokens: Tensor, row: bool = False) -> tuple[Tensor, Tensor | None]:
        """(B, outputs) logits, and with `row` the last token's attention (B, L)."""
        padding = tokens == PAD
        last = (~padding).sum(-1) - 1
        mask = padding if padding.any() else None
        x = self.words(tokens) + self.positions.weight[: tokens.shape[1]]
        each = torch.arange(len(tokens), device=tokens.device)
        if row:
            x, weights = self.layer.forward_with_weights(x, mask)
            return self.head(x[each, last]), weights[each, last]
        return self.head(self.layer(x, src_key_padding_mask=mask)[each, last]), None


def _adam(module: nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam(module.parameters(), lr=1e-4, fused=True)


def _send(batch: Batch, to: TextbookClassifier) -> tuple[Tensor, Tensor]:
    device = to.words.weight.device
    return torch.from_numpy(batch.tokens).to(device), torch.from_numpy(batch.labels).to(device)


class PlainTraining:
    """Cross-entropy alone: a step is what every PyTorch tutorial shows."""

    def __init__(self, target: TextbookClassifier, precision: Precision = "float32") -> None:
        self.target, self.optimizer = target.train(), _adam(target)
        self.precision = precision

    def update(self, batch: Batch, step: int) -> None:
        tokens, labels = _send(batch, self.target)
        self.optimizer.zero_grad()
        with autocast(tokens.device, self.precision):
            logits, _ = self.target(tokens)
        F.cross_entropy(logits.float(), labels).backward()
        self.optimizer.step()


class TextbookAfa:
    """Algorithm 1 of Liu (arXiv 2512.20661) line by line: policy `topk`, pairing `original`."""

    def __init__(
        self, target: TextbookClassifier, judge: TextbookClassifier, settings: AfaSettings
    ) -> None:
        self.target, self.judge = target.train(), judge
        self.optimizers = _adam(target), _adam(judge)
        self.afa = settings

    def update(self, batch: Batch, step: int) -> None:
        tokens, labels = _send(batch, self.target)
        logits, row = self.target(tokens, row=True)
        assert row is not None
        maskable = tokens >= NEVER_MASKED
        picks = [self._choose(row.detach(), maskable) for _ in range(self.afa.num_masks)]
        masked = [self._delete(tokens, chosen) for chosen in picks]
        self._judge_learns(tokens, masked[0])
        self.judge.eval()
        with torch.no_grad():
            rewards = torch.stack([F.softplus(self.judge(copy)[0][:, 0]) for copy in masked])
        advantages = rewards - rewards.mean(0)
        log_row = (row * maskable / (row * maskable).sum(-1, keepdim=True)).clamp_min(1e-30).log()
        log_probs = torch.stack([log_row.gather(1, chosen).sum(-1) for chosen in picks])
        loss = (
            F.cross_entropy(logits, labels) - self.afa.lambda_adv * (advantages * log_probs).mean()
        )
        self.optimizers[0].zero_grad()
        loss.backward()
        self.optimizers[0].step()

    def _choose(self, row: Tensor, maskable: Tensor) -> Tensor:
        random = torch.rand_like(row)
        explore = torch.rand_like(row[:, :1]) < self.afa.epsilon
        scores = torch.where(explore, random, row).masked_fill(~maskable, -1.0)
        return scores.topk(min(self.afa.k, scores.shape[-1]), dim=-1).indices

    def _delete(self, tokens: Tensor, picks: Tensor) -> Tensor:
        mask = torch.zeros_like(tokens, dtype=torch.bool).scatter(1, picks, True)
        return delete_tokens(tokens, mask, PAD)

    def _judge_learns(self, tokens: Tensor, masked: Tensor) -> None:
        self.judge.train()
        untouched, masked_logits = self.judge(tokens)[0], self.judge(masked)[0]
        loss = (F.softplus(-untouched) + F.softplus(masked_logits)).mean()
        self.optimizers[1].zero_grad()
        loss.backward()
        self.optimizers[1].step()
