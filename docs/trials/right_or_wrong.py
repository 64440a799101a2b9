"""Attention against marked words, where predictions are right and where not: STUDY [STUDY …].

Reads the models of a study (`tune.compare`) of data with marks, and their test texts. Prints the
mean AUROC of each method, and its difference to `plain`, paired by seed, with a 95% interval.
"""

import sys
from pathlib import Path

import torch
from study_models import study_models
from transformers import PreTrainedModel

from afa_ray.data.corpus import Corpus
from afa_ray.data.tokenizer import special_ids
from afa_ray.evaluation.agreement import agreement
from afa_ray.evaluation.prediction import batches_on_device, read
from envs import maskable_tokens
from tune.statistics import estimate, paired_difference


def aurocs(model: PreTrainedModel, corpus: Corpus) -> list[float]:
    """Means over the texts that are predicted right, and over the others."""
    found, right = [], []
    for examples, tokens in batches_on_device(corpus.test, model):
        predicted, row = read(model, tokens)
        marked = torch.from_numpy(corpus.test.padded_marks(examples)).bool()
        judged = maskable_tokens(tokens, special_ids(corpus.tokenizer))
        found.append(agreement(row, marked, judged).auroc)
        right.append(predicted == torch.from_numpy(corpus.test.labels[examples]))
    values, is_right = torch.cat(found), torch.cat(right)
    return [values[is_right].nanmean().item(), values[~is_right].nanmean().item()]


def show(study: Path) -> None:
    """A line for each method, right and wrong."""
    values: dict[str, list[list[float]]] = {}
    for method, model, corpus in study_models(study):
        values.setdefault(method, []).append(aurocs(model, corpus))
    for method in values:
        for i, where in enumerate(("right", "wrong")):
            own, plain = ([seed[i] for seed in values[name]] for name in (method, "plain"))
            mean, difference = estimate(own), paired_difference(own, plain)
            print(
                f"| {study.name} | {method} | {where} | {mean.mean:.4f} | "
                f"{difference.mean:+.4f} ± {difference.half_width:.4f} |",
                flush=True,
            )


if __name__ == "__main__":
    print("| data | method | predictions | AUROC | to plain |\n|---|---|---|---|---|")
    for folder in sys.argv[1:]:
        show(Path(folder))
