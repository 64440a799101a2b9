"""Objectives beside the class: several at once, each with its weight, figures and players."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from afa_ray.config import Settings
from afa_ray.data.batches import worker_batches
from afa_ray.data.corpus import Corpus
from afa_ray.objectives.interface import Weighed
from afa_ray.objectives.policy import attention_entropy
from afa_ray.training.learner import Learner, averages, build_learner
from afa_ray.training.making import make_learner
from afa_ray.training.session import local_session


class Sharpness:
    """Toy: attention of low entropy, by a scale that it trains itself."""

    needs = frozenset({"marks"})
    rollout = None

    def __init__(self, name: str = "sharpness") -> None:
        self.figures = (name,)
        scale = nn.Linear(1, 1)
        self.players = {name: scale}
        self.optimizer = torch.optim.SGD(scale.parameters(), lr=0.5)
        self.seen: list[tuple[int, int]] = []

    def prepare(self, parts, outputs, step):  # type: ignore[no-untyped-def]
        self.seen.append((step, len(outputs)))
        assert all(part.marks.shape == part.tokens.shape for part in parts)
        return [part.marks.sum() for part in parts]

    def loss(self, part, prepared, output):  # type: ignore[no-untyped-def]
        assert prepared == part.marks.sum()
        loss = attention_entropy(output.attention_row).mean()
        return loss, {self.figures[0]: loss.detach()}


def entropy_after(settings: Settings, corpus: Corpus, tmp_path, *objectives: Weighed) -> float:
    session = local_session(tmp_path, torch.device("cpu"))
    learner, _ = make_learner(settings, corpus, session, lambda target, corpus: objectives)
    batches = list(
        worker_batches(corpus.train, batch_size=16, seed=0, epoch=0, needs=learner.needs)
    )
    for step in range(40):
        learner.update(batches[step % len(batches)], step)
    learner.sums.zero_()
    for step, batch in enumerate(batches):
        learner.update(batch, 40 + step)
    return averages(learner.sums, learner.metrics)[0]["train/attention_entropy"]


def test_objectives_add_up_by_their_weights(
    tiny_settings: Callable[..., Settings], small_corpus: Corpus, tmp_path
) -> None:
    settings = tiny_settings({"train.target_lr": 1e-2, "discriminator.pairing": "contrast"})
    without = entropy_after(settings, small_corpus, tmp_path)
    toy = Sharpness()
    little = entropy_after(settings, small_corpus, tmp_path, Weighed(toy, 0.0))
    much = entropy_after(settings, small_corpus, tmp_path, Weighed(Sharpness(), 3.0))
    assert little == without  # of weight 0 it changes nothing
    assert much < 0.7 * without
    assert toy.seen[:2] == [(0, 1), (1, 1)]


def test_players_of_objectives_are_trained_and_saved_by_name(
    tiny_settings: Callable[..., Settings], make_learner: Callable[..., Learner]
) -> None:
    given = make_learner(tiny_settings())
    further = [Weighed(Sharpness("a"), 1.0), Weighed(Sharpness("b"), 1.0)]
    learner = Learner(
        tiny_settings(), given.target, [*given.objectives, *further],
        pad_id=0, device=torch.device("cpu"), total_steps=10,
    )  # fmt: skip
    assert (
        list(learner.players) == list(learner.optimizers) == ["target", "discriminator", "a", "b"]
    )
    assert learner.metrics[-2:] == ("a", "b")
    learner._set_learning_rates(0)
    assert learner.optimizers["a"].param_groups[0]["lr"] == 0.5


def test_names_that_are_given_twice_are_refused(
    tiny_settings: Callable[..., Settings], make_learner: Callable[..., Learner]
) -> None:
    twice = [Weighed(Sharpness(), 1.0), Weighed(Sharpness(), 0.5)]
    with pytest.raises(ValueError, match="figures named sharpness twice"):
        build_learner(
            tiny_settings({"afa.lambda_adv": 0.0}), make_learner(tiny_settings()).target, None,
            pad_id=0, device=torch.device("cpu"), total_steps=1, further=twice,
            special_ids=(), mask_id=None,
        )  # fmt: skip
