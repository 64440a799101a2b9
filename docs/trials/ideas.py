"""Ideas for the feedback that did not earn a setting, each with its equation; `make ideas`.

    python docs/trials/ideas.py train IDEA [settings of afa_ray.train]
    python docs/trials/ideas.py list
    python docs/trials/ideas.py table FOLDER      of runs that are called IDEA-seedN

An idea is a `DiscriminatorFeedback` in the place of that in afa_ray. D, r, R, pi, lambda and the
equations E1 to E8 are those of docs/evidence.md and of the docstrings of afa_ray.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from afa_ray.train import main
from afa_ray.training import learner, worker
from afa_ray.training.discriminator_feedback import DiscriminatorFeedback
from afa_ray.training.feedback import Paid, Play
from afa_ray.training.parts import Part


class Idea(DiscriminatorFeedback):
    """The feedback as it is, which also knows the Target and what it predicts."""

    target: Any
    predicted: Tensor

    def copies(self, part: Part, masks: Tensor) -> Tensor:
        """(B, C) logits of texts without the tokens of (B, L) masks."""
        tokens = self.env.game.mask_out(part.tokens, masks)
        return self.target(tokens, attention_mask=tokens != self.pad_id).logits


class IdeaLearner(learner.Learner):
    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        assert isinstance(self.feedback, Idea)
        self.feedback.target = self.target

    def _read(self, part: Part, step: int, *, choosing: bool = False) -> Any:
        output = super()._read(part, step, choosing=choosing)
        assert isinstance(self.feedback, Idea)
        assert output.logits is not None
        self.feedback.predicted = output.logits.detach().argmax(-1)
        return output


class Growing(Idea):
    """lambda max(0, 2 acc - 1), with acc a running mean of D's accuracy (a hundredth each)."""

    accuracy = 0.5

    def _judge(self, part: Part, mask: Tensor) -> dict[str, Tensor]:
        figures = super()._judge(part, mask)
        self.accuracy += 0.01 * (figures["d_accuracy"].item() - self.accuracy)
        return figures

    def loss(self, part: Part, paid: Paid, row: Tensor, logits: Tensor) -> Tensor:
        return max(0.0, 2 * self.accuracy - 1) * super().loss(part, paid, row, logits)


class WarmedUp(Idea):
    """L_adv = 0 for the first 100 updates, in which D learns alone."""

    step = 0

    def play(self, parts: list[Part], row: Any, step: int) -> list[Paid]:
        self.step = step
        return super().play(parts, row, step)

    def loss(self, part: Part, paid: Paid, row: Tensor, logits: Tensor) -> Tensor:
        return (self.step >= 100) * super().loss(part, paid, row, logits)


class SureJudge(Idea):
    """R 1[|2 D - 1| > .1]: only masks of whose copy D is sure count; D = 1 - exp(-r) by E6."""

    least = 0.1

    def play(self, parts: list[Part], row: Any, step: int) -> list[Paid]:
        paid = super().play(parts, row, step)
        sure = [(1 - 2 * torch.exp(-p.rewards)).abs() > self.least for p in paid]
        return [p._replace(advantages=p.advantages * s) for p, s in zip(paid, sure, strict=True)]


class SurerJudge(SureJudge):
    """The same with .3."""

    least = 0.3


class Predicted(Idea):
    """D is given the class that the Target predicts, not the gold one (pairing contrast)."""

    def _verdicts(self, part: Part, mask: Tensor) -> tuple[Tensor, Tensor]:
        return super()._verdicts(part._replace(labels=self.predicted), mask)

    def _reward(self, part: Part, play: Play) -> Tensor:
        return super()._reward(part._replace(labels=self.predicted), play)


class Odds(Idea):
    """r = log D / (1 - D), the logit, which does not saturate; from E6 as log(exp(r) - 1)."""

    def _reward(self, part: Part, play: Play) -> Tensor:
        return torch.expm1(super()._reward(part, play)).clamp_min(1e-6).log()


class Entropy(Idea):
    """lambda_adv L_adv + .03 H(a), with H the entropy of the attention row (E1), in nats."""

    weight = 0.03

    def loss(self, part: Part, paid: Paid, row: Tensor, logits: Tensor) -> Tensor:
        entropy = -(row * row.clamp_min(1e-30).log()).sum(-1).mean()  # at padding without gradient
        adversarial = super().loss(part, paid, row, logits)
        return adversarial + self.weight / self.afa.lambda_adv * entropy


class MoreEntropy(Entropy):
    """The same with .1."""

    weight = 0.1


class Copies(Idea):
    """Instead of L_adv the cross-entropy of a masked copy: it keeps its label; lambda is 1."""

    def loss(self, part: Part, paid: Paid, row: Tensor, logits: Tensor) -> Tensor:
        copies = self.copies(part, paid.play.masks[:, 0])
        return (self.weights(paid) * F.cross_entropy(copies, part.labels, reduction="none")).mean()

    def weights(self, paid: Paid) -> Tensor:
        return torch.ones_like(paid.rewards[:, 0])


class PassingCopies(Copies):
    """The same, weighted by D(X~): as far as the copy passes for untouched."""

    def weights(self, paid: Paid) -> Tensor:
        return 1 - torch.exp(-paid.rewards[:, 0])


class Divergence(Idea):
    """Instead of L_adv (KL(p || q) + KL(q || p)) / 2, p and q the predictions for text and copy."""

    def loss(self, part: Part, paid: Paid, row: Tensor, logits: Tensor) -> Tensor:
        p = logits.log_softmax(-1)
        q = self.copies(part, paid.play.masks[:, 0]).log_softmax(-1)
        return ((p.exp() - q.exp()) * (p - q)).sum(-1).mean() / 2


CONTRAST = {"discriminator.pairing": "contrast", "afa.k": 1}
WHOLE = {"afa.lambda_adv": 1.0}
RANDOM = {"afa.epsilon": 1.0}
IDEAS: dict[str, tuple[type[Idea], dict[str, Any]]] = {
    "original": (Idea, {}),
    "growing": (Growing, {}),
    "growing-strong": (Growing, {"afa.lambda_adv": 2.0}),
    "warmed-up": (WarmedUp, {}),
    "sure-judge": (SureJudge, {}),
    "surer-judge": (SurerJudge, {}),
    "contrast": (Idea, CONTRAST),
    "predicted": (Predicted, CONTRAST),
    "odds": (Odds, CONTRAST),
    "entropy": (Entropy, CONTRAST),
    "more-entropy": (MoreEntropy, CONTRAST),
    "copies": (Copies, WHOLE),
    "copies-random": (Copies, WHOLE | RANDOM),
    "copies-passing": (PassingCopies, WHOLE),
    "divergence": (Divergence, WHOLE),
    "divergence-random": (Divergence, WHOLE | RANDOM),
}


def train(name: str, arguments: list[str]) -> int:
    """As `afa_ray.train` does, in this process, with an idea's feedback; returns its status."""
    feedback, settings = IDEAS[name]
    learner.DiscriminatorFeedback = feedback  # type: ignore[misc]
    worker.Learner = IdeaLearner  # type: ignore[misc]
    own = [part for setting, value in settings.items() for part in (f"--{setting}", str(value))]
    return main([*arguments, *own, "--train.num_workers", "0"])


def table(folder: Path) -> str:
    """Markdown: means over an idea's runs of accuracy, normalised deletion area and AUROC."""
    lines = ["| idea | accuracy | normalised area | AUROC | runs |", "|---|---|---|---|---|"]
    for name in IDEAS:
        found = [json.loads(f.read_text()) for f in folder.glob(f"{name}-seed*/result.json")]
        figures = [
            [result["test"]["accuracy"] for result in found],
            [result["deletion_curve"]["normalized_area"] for result in found],
            [r["agreement"]["auroc"] for r in found if r.get("agreement")],
        ]
        cells = [f"{sum(values) / len(values):.4f}" if values else "–" for values in figures]
        lines.append(f"| {name} | {' | '.join(cells)} | {len(found)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.argv[1:2] == ["train"] and sys.argv[2:3] and sys.argv[2] in IDEAS:
        sys.exit(train(sys.argv[2], sys.argv[3:]))
    if sys.argv[1:] == ["list"]:
        print(*IDEAS)
    elif sys.argv[1:2] == ["table"] and len(sys.argv) == 3:
        print(table(Path(sys.argv[2])))
    else:
        sys.exit(f"{__doc__}\nideas: {', '.join(IDEAS)}")
