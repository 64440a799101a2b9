"""The environment is a real one: a public RL library learns on it what earns the reward."""

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from torch import Tensor

import envs  # noqa: F401 (registers the environments)

pytestmark = pytest.mark.slow

SOS, EOS, WORDS, KEYS = 1, 2, range(3, 9), (3, 4)
LENGTH, K = 8, 2


def keys_are_gone(tokens: Tensor) -> Tensor:
    """A fixed Discriminator: the fewer of the key tokens remain, the surer of "untouched"."""
    return 3.0 - 3.0 * torch.isin(tokens, torch.tensor(KEYS)).sum(1)


def sequences(count: int, seed: int) -> list[list[int]]:
    """Six words each, at random places two key tokens and four others."""
    rng = np.random.default_rng(seed)
    words = [[*rng.choice(KEYS, 2), *rng.choice(WORDS[len(KEYS) :], 4)] for _ in range(count)]
    return [[SOS, *rng.permutation(w).tolist(), EOS] for w in words]


def make(count: int, seed: int) -> gymnasium.Env[Any, Any]:
    return gymnasium.make(
        "AFA/SequentialMasking-v0",
        sequences=sequences(count, seed),
        discriminator=keys_are_gone,
        k=K,
        special_ids=(SOS, EOS),
    )


class OneHot(gymnasium.ObservationWrapper[Any, Any, Any]):
    """Ids as indicators, with what is no longer maskable left out: what a plain MLP reads."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        size = LENGTH * WORDS.stop
        self.observation_space = gymnasium.spaces.Box(0, 1, (size,), np.float32)

    def observation(self, observation: dict[str, np.ndarray]) -> np.ndarray:
        indicators = np.eye(WORDS.stop, dtype=np.float32)[observation["tokens"]]
        return (indicators * observation["maskable"][:, None]).reshape(-1)


def mean_reward(env: gymnasium.Env[Any, Any], act: Any, episodes: int) -> float:
    """Of one episode on each of the first `episodes` sequences."""
    total = 0.0
    for index in range(episodes):
        observation, info = env.reset(seed=index, options={"index": index})
        for _ in range(K):
            observation, reward, ended, _, info = env.step(act(observation, info))
            total += float(reward)
        assert ended
    return total / episodes


def compare(seed: int, steps: int = 6_000) -> tuple[float, float]:
    """Mean reward on 300 fresh sequences: of PPO trained on others, of random legal masking."""
    sb3 = pytest.importorskip(
        "stable_baselines3", reason="stable-baselines3 (extra `dev`) is not installed"
    )
    model = sb3.PPO(
        "MlpPolicy",
        OneHot(make(2000, seed)),
        n_steps=512,
        batch_size=128,
        learning_rate=1e-3,
        gamma=1.0,
        seed=seed,
        device="cpu",
    )
    model.learn(steps)
    fresh = OneHot(make(300, seed + 1000))
    rng = np.random.default_rng(seed)
    trained = mean_reward(fresh, lambda seen, _: model.predict(seen, deterministic=True)[0], 300)
    random = mean_reward(
        fresh, lambda _, info: rng.choice(np.flatnonzero(info["action_mask"])), 300
    )
    return trained, random


def test_ppo_learns_which_tokens_to_mask() -> None:
    """Both keys gone earns 3.05 nats; a random pair of six words earns .59 in expectation."""
    trained, random = compare(seed=0)
    assert random < 0.8
    assert trained > random + 1.5  # of about 2.45 that can be gained
