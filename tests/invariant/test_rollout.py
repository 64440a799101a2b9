"""The trainer's rewards are those of the environments that anyone can play."""

from collections.abc import Callable

import gymnasium
import pytest
import torch

import envs  # noqa: F401  registers the environments
from afa_ray.config import Settings
from afa_ray.data.batches import worker_batches
from afa_ray.data.corpus import Corpus
from afa_ray.data.tokenizer import special_ids
from afa_ray.training.learner import Learner


@pytest.mark.parametrize("env_id", ["AFA/Masking-v0", "AFA/SequentialMasking-v0"])
def test_env_reward_is_the_trainers_reward(
    tiny_settings: Callable[..., Settings],
    make_learner: Callable[..., Learner],
    small_corpus: Corpus,
    env_id: str,
) -> None:
    learner = make_learner(tiny_settings({"afa.k": 2}))
    batch = next(worker_batches(small_corpus.train, batch_size=16, seed=0, epoch=0))
    learner.update(batch, 0)
    assert learner.rollout is not None
    discriminator = learner.players["discriminator"].eval()
    tokens, _, masks, rewards = learner.rollout
    env = gymnasium.make(
        env_id,
        sequences=[row[row != 0].tolist() for row in tokens],
        discriminator=lambda ids: discriminator(ids).detach(),
        k=2,
        special_ids=special_ids(small_corpus.tokenizer),
        pad_id=0,
    )
    for index in range(len(tokens)):
        for mask, reward in zip(masks[index], rewards[index], strict=True):
            env.reset(options={"index": index})
            positions = mask.nonzero()[:, 0].tolist()
            if env_id == "AFA/Masking-v0":
                action = torch.zeros(env.action_space.n, dtype=torch.int8)
                action[positions] = 1
                _, got, *_ = env.step(action.numpy())
            else:
                for position in positions:
                    _, got, *_ = env.step(position)
            assert got == pytest.approx(reward.item(), abs=1e-5)
