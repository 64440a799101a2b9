"""`python -m studies.evidence.right_or_wrong STUDY …`: marks where predictions are right, and not.

Reads the models of a study (`tune.compare`) of data with marks, and their test texts. Prints the
mean AUROC of each method's attention, and its difference to `plain`, paired by seed, with a 95%
interval; and the mean AUROC of what the decision loses without each token, by size and signed
(`orders`), which is how well the marks agree with the model itself.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor

from afa_ray.data.corpus import Corpus
from afa_ray.data.tokenizer import special_ids
from afa_ray.evaluation.agreement import agreement
from afa_ray.evaluation.prediction import batches_on_device
from afa_ray.evaluation.statistics import estimate, paired_difference
from afa_ray.models.target import Target
from envs import maskable_tokens
from studies.evidence.orders import ORDERS, predicted_and_scores
from studies.evidence.study_models import study_models

WHERE = ("all", "right", "wrong")


def aurocs(model: Target, corpus: Corpus) -> Tensor:
    """(3, 3): of texts `WHERE` predictions are so, for each of `ORDERS`, means over the texts."""
    found, right = [], []
    for examples, tokens in batches_on_device(corpus.test, model):
        judged = maskable_tokens(tokens, special_ids(corpus.tokenizer))
        predicted, *scores = predicted_and_scores(model, tokens, judged)
        marked = torch.from_numpy(corpus.test.padded_marks(examples)).bool()
        found.append(torch.stack([agreement(s, marked, judged).auroc for s in scores]))
        right.append(predicted == torch.from_numpy(corpus.test.labels[examples]))
    values, is_right = torch.cat(found, 1), torch.cat(right)
    everywhere = torch.ones_like(is_right)
    return torch.stack([values[:, where].nanmean(1) for where in (everywhere, is_right, ~is_right)])


def show(study: Path) -> None:
    """A line for each method, all texts, right and wrong."""
    values: dict[str, list[Tensor]] = {}
    for method, model, corpus in study_models(study):
        values.setdefault(method, []).append(aurocs(model, corpus))
    for method, of_seeds in values.items():
        for i, where in enumerate(WHERE):
            own, plain = ([seed[i, 0].item() for seed in values[m]] for m in (method, "plain"))
            mean, difference = estimate(own), paired_difference(own, plain)
            orders = torch.stack(of_seeds)[:, i, 1:].mean(0)
            print(
                f"| {study.name} | {method} | {where} | {mean.mean:.4f} | {difference.mean:+.4f} ± "
                f"{difference.half_width:.4f} | {' | '.join(f'{x:.3f}' for x in orders)} |",
                flush=True,
            )


if __name__ == "__main__":
    head = ("data", "method", "predictions", ORDERS[0], "to plain", *ORDERS[1:])
    print(f"| {' | '.join(head)} |", "|---" * len(head) + "|", sep="\n", flush=True)
    for folder in sys.argv[1:]:
        show(Path(folder))
