"""Small tasks in seconds: the classifier learns, and the attention learns what it is paid for."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from afa_ray.config import Settings
from afa_ray.data.batches import worker_batches
from afa_ray.data.corpus import Corpus
from afa_ray.data.tokenizer import special_ids
from afa_ray.evaluation.agreement import AGREEMENT
from afa_ray.evaluation.one_pass import figure
from afa_ray.evaluation.prediction import predict
from afa_ray.training.learner import Learner, averages
from tests.conftest import BAD, GOOD


def train(learner: Learner, corpus: Corpus, epochs: int, contrast: bool = False) -> None:
    step = 0
    for epoch in range(epochs):
        for batch in worker_batches(
            corpus.train, batch_size=16, seed=0, epoch=epoch, needs={"partners"} if contrast else ()
        ):
            learner.update(batch, step)
            step += 1


def agreement(learner: Learner, corpus: Corpus) -> float:
    found = figure(learner.target, corpus.test, special_ids(corpus.tokenizer), 0, AGREEMENT)
    assert isinstance(found["auroc"], float)
    return found["auroc"]


def test_plain_training_learns_the_task(
    tiny_settings: Callable[..., Settings],
    make_learner: Callable[..., Learner],
    small_corpus: Corpus,
) -> None:
    learner = make_learner(tiny_settings({"afa.lambda_adv": 0.0, "train.target_lr": 3e-3}))
    train(learner, small_corpus, epochs=8)
    predictions = predict(learner.target, small_corpus.test).numpy()
    assert (predictions == small_corpus.test.labels).mean() > 0.95


class FixedJudge(nn.Module):
    """Says "untouched" where none of the given words stands; with `sign` -1, where one stands."""

    def __init__(self, words: Tensor, sign: int) -> None:
        super().__init__()
        self.words = words
        self.scale = nn.Parameter(torch.tensor(4.0 * sign))  # Adam needs something to hold

    def forward(self, ids: Tensor) -> Tensor:
        found = torch.isin(ids, self.words).any(-1)
        return self.scale * torch.where(found, -1.0, 1.0)


@pytest.mark.parametrize("policy", ["topk", "plackett-luce"])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_policy_gradient_moves_attention_to_what_is_paid_for(
    tiny_settings: Callable[..., Settings],
    make_learner: Callable[..., Learner],
    small_corpus: Corpus,
    policy: str,
    sign: int,
) -> None:
    """Paid for deleting the marked word, attention finds it; paid for keeping it, leaves it."""
    vocabulary = small_corpus.tokenizer.get_vocab()
    opinions = torch.tensor([vocabulary[word] for word in GOOD + BAD])
    settings = tiny_settings(
        {
            "afa.policy": policy,
            "afa.k": 1,
            "afa.epsilon": 0.4,
            "afa.lambda_adv": 5.0,
            "train.target_lr": 5e-3,
            "train.discriminator_lr": 1e-12,
            "target.dropout": 0.0,
        }
    )
    learner = make_learner(settings, FixedJudge(opinions, sign))
    train(learner, small_corpus, epochs=12)
    auroc = agreement(learner, small_corpus)
    assert auroc > 0.95 if sign > 0 else auroc < 0.05


@pytest.mark.parametrize("pairing", ["original", "contrast"])
def test_the_discriminator_learns_to_tell_masked_from_untouched(
    tiny_settings: Callable[..., Settings],
    make_learner: Callable[..., Learner],
    small_corpus: Corpus,
    pairing: str,
) -> None:
    settings = tiny_settings(
        {"afa.mask": "token", "discriminator.pairing": pairing, "train.discriminator_lr": 3e-3}
    )
    learner = make_learner(settings)
    contrast = pairing == "contrast"
    train(learner, small_corpus, epochs=8, contrast=contrast)
    learner.sums.zero_()
    train(learner, small_corpus, epochs=1, contrast=contrast)
    figures, _ = averages(learner.sums, learner.metrics)
    assert figures["train/d_accuracy"] > 0.98
    assert figures["train/loss_d"] < 0.2
