"""The three environments: spaces, rules, seeds, errors, and that they are one game."""

import itertools
import math
from collections import Counter
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from torch import Tensor

from envs import MaskingEnv, MaskingVectorEnv, SequentialMaskingEnv

PAD, SOS, EOS, MASK = 0, 1, 2, 3
SEQUENCES = [
    [SOS, 10, 11, 12, 13, 14, EOS],
    [SOS, 15, 16, EOS],
    [SOS, 17, EOS],  # fewer than k maskable tokens
    [SOS, EOS],  # only special tokens
    [],
]
LENGTH = 7


def weigh(tokens: Tensor, *_: Tensor) -> Tensor:
    """A fixed Discriminator: depends on every token and on where it stands."""
    place = torch.arange(1, tokens.shape[1] + 1)
    return 3 * torch.sin((tokens * (place + 0.5)).sum(1) / 7)


def arguments(**changes: Any) -> dict[str, Any]:
    given = {"sequences": SEQUENCES, "discriminator": weigh, "k": 2, "special_ids": (SOS, EOS)}
    return given | changes


def reward_of(masked: list[int]) -> float:
    return math.log1p(math.exp(weigh(torch.tensor([masked])).item()))


def bits(*positions: int) -> np.ndarray:
    action = np.zeros(LENGTH, dtype=np.int8)
    action[list(positions)] = 1
    return action


def padded(sequences: list[list[int]], length: int = LENGTH) -> Tensor:
    return torch.tensor([s + [PAD] * (length - len(s)) for s in sequences])


# --- as Gymnasium environments


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("prefix", ["", "envs:"])
@pytest.mark.parametrize("name", ["AFA/Masking-v0", "AFA/SequentialMasking-v0"])
@pytest.mark.parametrize("mask", ["delete", "token"])
def test_gymnasium_accepts_the_environments(prefix: str, name: str, mask: str) -> None:
    env = gymnasium.make(prefix + name, **arguments(mask=mask, mask_id=MASK))
    kind = MaskingEnv if name == "AFA/Masking-v0" else SequentialMaskingEnv
    assert type(env.unwrapped) is kind
    check_env(env.unwrapped)


def test_make_vec_gives_the_native_vector_environment() -> None:
    env = gymnasium.make_vec("AFA/Masking-v0", num_envs=3, **arguments())
    assert type(env.unwrapped) is MaskingVectorEnv
    assert env.num_envs == 3
    assert env.unwrapped.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert env.single_observation_space == MaskingEnv(**arguments()).observation_space
    assert env.single_action_space == MaskingEnv(**arguments()).action_space


@pytest.mark.parametrize("kind", [MaskingEnv, SequentialMaskingEnv])
def test_observations_are_padded_tokens_and_what_is_maskable(kind: Any) -> None:
    env = kind(**arguments())
    space = env.observation_space
    assert (space["tokens"].dtype, space["tokens"].shape) == (np.int64, (LENGTH,))
    assert (space["maskable"].dtype, space["maskable"].shape) == (np.int8, (LENGTH,))
    for index, sequence in enumerate(SEQUENCES):
        observation, _ = env.reset(seed=0, options={"index": index})
        assert observation in space
        assert observation["tokens"].tolist() == padded([sequence])[0].tolist()
        assert observation["maskable"].tolist() == [
            int(token not in (PAD, SOS, EOS)) for token in padded([sequence])[0].tolist()
        ]


@pytest.mark.parametrize("kind", [MaskingEnv, SequentialMaskingEnv])
def test_reset_draws_every_sequence_and_repeats_with_the_seed(kind: Any) -> None:
    env = kind(**arguments())

    def draws() -> list[tuple[int, ...]]:
        first = env.reset(seed=5)[0]
        return [tuple(o["tokens"]) for o in (first, *(env.reset()[0] for _ in range(60)))]

    drawn = draws()
    assert drawn == draws()
    assert set(drawn) == {tuple(row) for row in padded(SEQUENCES).tolist()}


# --- MaskingEnv


def test_a_masking_episode_by_hand() -> None:
    env = MaskingEnv(**arguments())
    env.reset(seed=0, options={"index": 0})
    observation, reward, terminated, truncated, info = env.step(bits(2, 4))
    masked = [SOS, 10, 12, 14, EOS, PAD, PAD]
    assert observation["tokens"].tolist() == masked
    assert observation["maskable"].tolist() == [0, 1, 1, 1, 0, 0, 0]
    assert observation in env.observation_space
    assert reward == pytest.approx(reward_of(masked), rel=1e-5)
    assert (terminated, truncated) == (True, False)
    assert info["mask"].tolist() == bits(2, 4).astype(bool).tolist()


def test_a_masking_episode_with_the_mask_token() -> None:
    env = MaskingEnv(**arguments(mask="token", mask_id=MASK))
    env.reset(seed=0, options={"index": 1})
    observation, reward, *_ = env.step(bits(1))
    masked = [SOS, MASK, 16, EOS, PAD, PAD, PAD]
    assert observation["tokens"].tolist() == masked
    assert reward == pytest.approx(reward_of(masked), rel=1e-5)


def test_bits_on_unmaskable_positions_are_ignored() -> None:
    env = MaskingEnv(**arguments())
    for seed in range(30):  # were they counted among the k, some seed would drop a real pick
        env.reset(seed=seed, options={"index": 1})
        *_, info = env.step(bits(0, 1, 2, 3, 4, 5, 6))
        assert info["mask"].tolist() == bits(1, 2).astype(bool).tolist()


@pytest.mark.parametrize("chosen", [(), (3,), (1, 5)])
def test_up_to_k_picks_are_taken_as_they_are(chosen: tuple[int, ...]) -> None:
    env = MaskingEnv(**arguments())
    env.reset(seed=0, options={"index": 0})
    assert env.step(bits(*chosen))[-1]["mask"].tolist() == bits(*chosen).astype(bool).tolist()


def chi_square(masks: list[tuple[bool, ...]], allowed: tuple[int, ...], k: int) -> float:
    """Of the drawn subsets against the uniform distribution over all k-subsets of `allowed`."""
    drawn = Counter(tuple(i for i, bit in enumerate(mask) if bit) for mask in masks)
    subsets = list(itertools.combinations(allowed, k))
    assert set(drawn) <= set(subsets)
    expected = len(masks) / len(subsets)
    return sum((drawn[subset] - expected) ** 2 / expected for subset in subsets)


CHI_SQUARE_5 = 20.5  # 5 degrees of freedom, p = 0.001


def test_of_more_than_k_bits_a_uniformly_random_k_remain() -> None:
    env = MaskingEnv(**arguments())
    masks = []
    for seed in range(1500):
        env.reset(seed=seed, options={"index": 0})
        masks.append(tuple(env.step(bits(0, 1, 2, 4, 5, 6))[-1]["mask"].tolist()))
    assert chi_square(masks, (1, 2, 4, 5), k=2) < CHI_SQUARE_5

    vector = MaskingVectorEnv(**arguments())
    vector.reset(seed=0, options={"sequences": padded(SEQUENCES[:1]).expand(3000, -1)})
    *_, info = vector.step(torch.from_numpy(bits(0, 1, 2, 4, 5, 6)).expand(3000, -1))
    masks = [tuple(mask) for mask in info["masks"].tolist()]
    assert chi_square(masks, (1, 2, 4, 5), k=2) < CHI_SQUARE_5


def test_the_random_k_are_fixed_by_the_reset_seed_alone() -> None:
    env = MaskingEnv(**arguments())

    def masks(seed: int) -> list[list[bool]]:
        torch.manual_seed(len(drawn))  # the global generator has no say
        env.reset(seed=seed, options={"index": 0})
        first = env.step(bits(1, 2, 3, 4, 5))[-1]["mask"].tolist()
        rest = []
        for _ in range(9):
            env.reset(options={"index": 0})
            rest.append(env.step(bits(1, 2, 3, 4, 5))[-1]["mask"].tolist())
        return [first, *rest]

    drawn: list[list[list[bool]]] = []
    for seed in (7, 7, 8):
        drawn.append(masks(seed))
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]
    assert len({tuple(mask) for mask in drawn[0]}) > 1  # and each episode has a draw of its own


# --- SequentialMaskingEnv


def test_a_sequential_episode_by_hand() -> None:
    env = SequentialMaskingEnv(**arguments(k=3))
    observation, info = env.reset(seed=0, options={"index": 0})
    assert info["action_mask"].dtype == np.int8
    assert info["action_mask"].tolist() == [0, 1, 1, 1, 1, 1, 0]

    observation, reward, terminated, truncated, info = env.step(2)
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert observation["tokens"].tolist() == SEQUENCES[0]  # positions stay those of the original
    assert observation["maskable"].tolist() == [0, 1, 0, 1, 1, 1, 0]
    assert info["action_mask"].tolist() == [0, 1, 0, 1, 1, 1, 0]

    _, reward, terminated, _, info = env.step(np.int64(5))
    assert (reward, terminated) == (0.0, False)
    assert info["action_mask"].tolist() == [0, 1, 0, 1, 1, 0, 0]

    observation, reward, terminated, truncated, info = env.step(3)
    masked = [SOS, 10, 13, EOS, PAD, PAD, PAD]
    assert observation["tokens"].tolist() == masked
    assert observation in env.observation_space
    assert reward == pytest.approx(reward_of(masked), rel=1e-5)
    assert (terminated, truncated) == (True, False)
    assert info["mask"].tolist() == bits(2, 3, 5).astype(bool).tolist()


@pytest.mark.parametrize("ignored", [0, 6, 2])  # [SOS], [EOS], the token already picked
def test_an_ignored_pick_masks_nothing_and_spends_the_pick(ignored: int) -> None:
    env = SequentialMaskingEnv(**arguments(k=3))
    env.reset(seed=0, options={"index": 0})
    env.step(2)
    observation, reward, terminated, *_ = env.step(ignored)
    assert (reward, terminated) == (0.0, False)
    assert observation["maskable"].tolist() == [0, 1, 0, 1, 1, 1, 0]
    *_, terminated, _, info = env.step(4)
    assert terminated
    assert info["mask"].tolist() == bits(2, 4).astype(bool).tolist()


@pytest.mark.parametrize(("index", "steps"), [(0, 4), (1, 2), (2, 1), (3, 1), (4, 1)])
def test_a_sequential_episode_ends_after_the_last_maskable_token(index: int, steps: int) -> None:
    env = SequentialMaskingEnv(**arguments(k=4))
    _, info = env.reset(seed=0, options={"index": index})
    rewards, ended = [], False
    for _ in range(steps):
        assert not ended
        observation, reward, ended, _, info = env.step(int(info["action_mask"].argmax()))
        rewards.append(reward)
    assert ended
    assert rewards[:-1] == [0.0] * (steps - 1)
    masked = observation["tokens"].tolist()
    if index:  # everything maskable is gone
        assert masked == padded([[t for t in SEQUENCES[index] if t in (SOS, EOS)]])[0].tolist()
    assert rewards[-1] == pytest.approx(reward_of(masked), rel=1e-5)


# --- the three are one game


def random_game(seed: int) -> tuple[list[list[int]], int, np.ndarray]:
    """Random sequences (some empty, some of special tokens only), k, and (B, M, L) legal masks."""
    rng = np.random.default_rng(seed)
    sequences = [
        [SOS, *rng.choice([SOS, *range(4, 30)], rng.integers(0, 9)).tolist(), EOS]
        if rng.random() < 0.9
        else []
        for _ in range(6)
    ]
    sequences[0] = [SOS, *range(20, 28), EOS]
    k, length = int(rng.integers(1, 6)), max(map(len, sequences))
    masks = np.zeros((6, 3, length), dtype=bool)
    for b, m in itertools.product(range(6), range(3)):
        allowed = [i for i, t in enumerate(sequences[b]) if t not in (SOS, EOS)]
        size = int(rng.integers(0, min(k, len(allowed)) + 1))
        masks[b, m, rng.permutation(allowed)[:size].astype(int)] = True
    return sequences, k, masks


def play_sequentially(env: SequentialMaskingEnv, index: int, mask: np.ndarray) -> tuple[Any, float]:
    """Pick the set bits from the last to the first; then spend what is left on ignored picks."""
    observation, _ = env.reset(seed=0, options={"index": index})
    picks = np.flatnonzero(mask)[::-1].tolist()
    rest = picks[:1] or np.flatnonzero(observation["maskable"] == 0)[:1].tolist()
    for pick in itertools.chain(picks, rest * env.game.k):
        observation, reward, ended, *_ = env.step(pick)
        if ended:
            return observation, reward
    raise AssertionError("the episode has not ended after k picks")


@pytest.mark.parametrize("mask", ["delete", "token"])
@pytest.mark.parametrize("seed", range(8))
def test_the_three_environments_are_one_game(seed: int, mask: str) -> None:
    sequences, k, masks = random_game(seed)
    given = arguments(sequences=sequences, k=k, mask=mask, mask_id=MASK)
    single, sequential = MaskingEnv(**given), SequentialMaskingEnv(**given)
    vector = MaskingVectorEnv(**given)
    tokens = padded(sequences, masks.shape[-1])
    vector.reset(seed=0, options={"sequences": tokens})
    _, rewards, _, _, info = vector.step(masks)
    final = info["final_obs"]["tokens"]
    assert final.shape == masks.shape
    for b, m in itertools.product(*map(range, masks.shape[:2])):
        row = tokens[b].tolist()
        kept = [t for t, masked in zip(row, masks[b, m], strict=True) if not masked]
        expected = kept + [PAD] * (len(row) - len(kept))
        if mask == "token":
            expected = [MASK if d else t for t, d in zip(row, masks[b, m], strict=True)]
        single.reset(seed=0, options={"index": b})
        whole, whole_reward, *_ = single.step(masks[b, m].astype(np.int8))
        steps, steps_reward = play_sequentially(sequential, b, masks[b, m])
        assert expected == final[b, m].tolist()
        assert expected == whole["tokens"].tolist() == steps["tokens"].tolist()
        assert whole["maskable"].tolist() == steps["maskable"].tolist()
        assert whole_reward == steps_reward
        # a batch may be summed in another order than one row
        assert rewards[b, m].item() == pytest.approx(whole_reward, rel=1e-5)
        assert whole_reward == pytest.approx(reward_of(expected), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("sequences", [[[]], [[SOS, EOS]], [[], [SOS]]])
@pytest.mark.parametrize("mask", ["delete", "token"])
def test_worlds_with_nothing_to_mask(sequences: list[list[int]], mask: str) -> None:
    given = arguments(sequences=sequences, k=5, mask=mask, mask_id=MASK)
    for env, action in (
        (single := MaskingEnv(**given), np.ones(single.length, dtype=np.int8)),
        (SequentialMaskingEnv(**given), 0),
    ):
        before, _ = env.reset(seed=0)
        after, reward, terminated, *_ = env.step(action)
        assert terminated
        assert after["tokens"].tolist() == before["tokens"].tolist()
        assert reward == pytest.approx(reward_of(before["tokens"].tolist()), rel=1e-5)
    vector = MaskingVectorEnv(2, **given)
    observation, _ = vector.reset(seed=0)
    *_, info = vector.step(np.ones(observation["tokens"].shape, dtype=np.int8))
    assert torch.equal(info["final_obs"]["tokens"], observation["tokens"])


# --- MaskingVectorEnv


def as_numpy(observation: dict[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in observation.items()}


def test_vector_observations_lie_in_their_space() -> None:
    env = MaskingVectorEnv(16, **arguments(mask="token", mask_id=MASK))
    observation, _ = env.reset(seed=0)
    assert as_numpy(observation) in env.observation_space
    assert {tuple(row) for row in observation["tokens"].tolist()} <= {
        tuple(row) for row in padded(SEQUENCES).tolist()
    }
    env.action_space.seed(0)
    assert as_numpy(env.step(env.action_space.sample())[0]) in env.observation_space


def test_given_sequences_are_played_without_a_copy() -> None:
    env = MaskingVectorEnv(**arguments())
    batch = padded(SEQUENCES)
    untouched = batch.clone()
    observation, _ = env.reset(seed=0, options={"sequences": batch})
    assert observation["tokens"].data_ptr() == batch.data_ptr()
    observation, *_ = env.step(torch.ones(5, LENGTH))
    assert observation["tokens"].data_ptr() == batch.data_ptr()  # autoreset: the same batch again
    assert torch.equal(batch, untouched)


def test_shapes_of_one_and_of_m_masks() -> None:
    env = MaskingVectorEnv(**arguments())
    batch = padded(SEQUENCES)
    env.reset(seed=0, options={"sequences": batch})
    one = torch.zeros(5, LENGTH, dtype=torch.bool)
    one[:, 1] = True
    masks = torch.stack([one, torch.zeros_like(one), one], dim=1)  # (B, 3, L)

    _, rewards, terminated, truncated, info = env.step(one)
    assert rewards.shape == terminated.shape == truncated.shape == (5,)
    assert info["final_obs"]["tokens"].shape == info["masks"].shape == (5, LENGTH)
    _, many, terminated, truncated, info = env.step(masks)
    assert many.shape == (5, 3)
    assert terminated.shape == truncated.shape == (5,)
    assert info["final_obs"]["tokens"].shape == info["masks"].shape == (5, 3, LENGTH)
    assert env.step(one[:, None])[1].shape == (5, 1)

    torch.testing.assert_close(many[:, 0], rewards)
    torch.testing.assert_close(many[:, 2], rewards)
    torch.testing.assert_close(many[:, 1], torch.nn.functional.softplus(weigh(batch)))


def test_masks_may_be_stored_in_another_order() -> None:
    env = MaskingVectorEnv(**arguments())
    env.reset(seed=0, options={"sequences": padded(SEQUENCES)})
    masks = torch.zeros(4, 5, LENGTH, dtype=torch.bool)  # (M, B, L)
    masks[torch.arange(4), :, torch.arange(4)] = True
    expected = env.step(masks.transpose(0, 1).contiguous())[1]
    assert torch.equal(env.step(masks.transpose(0, 1))[1], expected)


@pytest.mark.parametrize("given", [True, False])
def test_every_step_resets_in_the_same_step(given: bool) -> None:
    env = MaskingVectorEnv(64, **arguments())
    batch = padded(SEQUENCES)[torch.arange(64) % 5]
    first, _ = env.reset(seed=0, options={"sequences": batch} if given else None)
    action = torch.ones(64, LENGTH, dtype=torch.bool)
    following, _, terminated, truncated, info = env.step(action)
    assert terminated.all()
    assert not truncated.any()
    assert torch.equal(following["tokens"], first["tokens"]) is given
    lengths = (first["tokens"] != PAD).sum(1) - (first["maskable"].sum(1)).clamp(max=2)
    assert torch.equal((info["final_obs"]["tokens"] != PAD).sum(1), lengths)
    maskable = ~torch.isin(following["tokens"], torch.tensor([PAD, SOS, EOS]))
    assert torch.equal(following["maskable"], maskable.to(torch.int8))
    *_, info = env.step(action)  # and the next episode is played on what was shown
    lengths = (following["tokens"] != PAD).sum(1) - maskable.sum(1).clamp(max=2)
    assert torch.equal((info["final_obs"]["tokens"] != PAD).sum(1), lengths)


def test_vector_seeds_reproduce() -> None:
    def history(seed: int) -> list[list[Any]]:
        torch.manual_seed(len(runs))  # the global generator has no say
        env = MaskingVectorEnv(8, **arguments())
        seen = [env.reset(seed=seed)[0]["tokens"].tolist()]
        for _ in range(4):
            observation, *_, info = env.step(torch.ones(8, LENGTH))
            seen += [observation["tokens"].tolist(), info["masks"].tolist()]
        return seen

    runs: list[list[list[Any]]] = []
    for seed in (3, 3, 4):
        runs.append(history(seed))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_the_condition_goes_to_the_discriminator_once_for_each_mask() -> None:
    calls: list[tuple[Tensor, ...]] = []

    def record(*inputs: Tensor) -> Tensor:
        calls.append(inputs)
        return torch.zeros(len(inputs[0]))

    env = MaskingVectorEnv(**arguments(discriminator=record))
    batch, condition = padded(SEQUENCES), torch.tensor([4, 3, 2, 1, 0])
    env.reset(seed=0, options={"sequences": batch, "condition": condition})
    env.step(torch.zeros(5, 3, LENGTH))
    env.step(torch.zeros(5, LENGTH))
    env.reset(options={"sequences": batch})
    env.step(torch.zeros(5, 3, LENGTH))
    assert [len(inputs) for inputs in calls] == [2, 2, 1]
    tokens, seen = calls[0]
    assert seen.tolist() == [4, 4, 4, 3, 3, 3, 2, 2, 2, 1, 1, 1, 0, 0, 0]
    assert torch.equal(tokens, batch.repeat_interleave(3, 0))  # beside its own sequence
    assert torch.equal(calls[1][1], condition)


def test_rewards_carry_no_gradient() -> None:
    weight = torch.ones((), requires_grad=True)
    env = MaskingVectorEnv(**arguments(discriminator=lambda tokens: weight * weigh(tokens)))
    env.reset(seed=0, options={"sequences": padded(SEQUENCES)})
    assert not env.step(torch.ones(5, LENGTH))[1].requires_grad


# --- errors


@pytest.mark.parametrize("kind", [MaskingEnv, SequentialMaskingEnv, MaskingVectorEnv])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": 0}, r"k = 0\b.*at least 1"),
        ({"k": -4}, r"k = -4\b.*at least 1"),
        ({"mask": "drop"}, r"mask = 'drop'.*'delete' or 'token'"),
        ({"mask": "token"}, r"mask = 'token'.*mask_id"),
        ({"sequences": []}, r"sequences is empty.*at least one"),
    ],
)
def test_wrong_arguments_are_named(kind: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**arguments(**changes))


@pytest.mark.parametrize("kind", [MaskingEnv, SequentialMaskingEnv])
@pytest.mark.parametrize("index", [5, 100, -1, -2])
def test_an_index_out_of_range_is_named(kind: Any, index: int) -> None:
    with pytest.raises(ValueError, match=rf"index = {index}\b.*0 to 4"):
        kind(**arguments()).reset(seed=0, options={"index": index})


@pytest.mark.parametrize("pick", [-1, LENGTH])
def test_a_pick_out_of_range_is_named(pick: int) -> None:
    env = SequentialMaskingEnv(**arguments())
    env.reset(seed=0, options={"index": 0})
    with pytest.raises(ValueError, match=rf"action = {pick}\b.*0 to {LENGTH - 1}"):
        env.step(pick)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": 1.5}, "k = 1.5: must be a whole number"),
        ({"sequences": [[-1, 2]]}, "token id -1 in sequences"),
        ({"sequences": np.zeros((0, 3), dtype=np.int64)}, "sequences is empty"),
    ],
)
@pytest.mark.parametrize("env", [MaskingEnv, SequentialMaskingEnv, MaskingVectorEnv])
def test_bad_constructor_arguments(env, changes: dict, message: str) -> None:
    arguments = {"sequences": [[2, 5, 3]], "discriminator": lambda ids: torch.zeros(len(ids))}
    with pytest.raises(ValueError, match=message):
        env(**(arguments | changes))


def test_actions_and_logits_of_wrong_shape() -> None:
    arguments = {"sequences": np.array([[2, 5, 3]]), "special_ids": (2, 3)}
    single = MaskingEnv(discriminator=lambda ids: torch.zeros(len(ids)), **arguments)
    single.reset(seed=0)
    with pytest.raises(ValueError, match="must hold 3 bits"):
        single.step([1])
    vector = MaskingVectorEnv(2, discriminator=lambda ids: torch.zeros(len(ids)), **arguments)
    vector.reset(seed=0)
    with pytest.raises(ValueError, match=r"must be \(B, L\) or \(B, M, L\) with B, L = \(2, 3\)"):
        vector.step(torch.ones(3, 3))
    pair = MaskingEnv(discriminator=lambda ids: torch.zeros(len(ids), 2), **arguments)
    pair.reset(seed=0)
    with pytest.raises(ValueError, match="one logit for each of the 1 sequences"):
        pair.step([0, 1, 0])


def test_vector_environments_that_are_not_seeded_differ() -> None:
    arguments = {
        "sequences": [[2, i, 3] for i in range(5, 105)],
        "discriminator": lambda ids: torch.zeros(len(ids)),
    }
    first, second = (MaskingVectorEnv(50, **arguments) for _ in range(2))
    assert not torch.equal(first.reset()[0]["tokens"], second.reset()[0]["tokens"])
    seeded = [first.reset(seed=[1, 2])[0]["tokens"].clone() for _ in range(2)]
    assert torch.equal(*seeded)


def test_the_mask_token_is_never_masked() -> None:
    env = MaskingEnv(
        sequences=[[2, 4, 5, 3]],
        discriminator=lambda ids: torch.zeros(len(ids)),
        special_ids=(2, 3),
        mask="token",
        mask_id=4,
        k=1,
    )
    observation, _ = env.reset(seed=0)
    assert observation["maskable"].tolist() == [0, 0, 1, 0]
    assert env.step([0, 1, 1, 0])[0]["maskable"].tolist() == [0, 0, 0, 0]


# --- units: words of several tokens

UNITS = [[0, 1, 1, 2, 3, 3, 0], [0, 1, 2, 0], [0, 0, 0], [0, 0], []]  # 13 and 14 are one word


def test_units_are_masked_whole() -> None:
    env = MaskingEnv(**arguments(units=UNITS, k=1))
    env.reset(options={"index": 0})
    observation, reward, *_, info = env.step(bits(4))
    assert info["mask"].nonzero()[0].tolist() == [4, 5]
    left = [SOS, 10, 11, 12, EOS, PAD, PAD]
    assert observation["tokens"].tolist() == left
    assert reward == pytest.approx(reward_of(left))
    env.reset(options={"index": 0})
    masks = {tuple(env.step(bits(1, 2, 3, 5))[-1]["mask"].nonzero()[0]) for _ in range(60)}
    assert masks == {(1, 2), (3,), (4, 5)}  # of more than k words, k at random


def test_a_sequential_pick_masks_a_unit() -> None:
    env = SequentialMaskingEnv(**arguments(units=UNITS, k=2))
    env.reset(options={"index": 0})
    _, reward, terminated, *_, info = env.step(5)
    assert (reward, terminated) == (0.0, False)
    assert info["action_mask"].tolist() == [0, 1, 1, 1, 0, 0, 0]
    *_, terminated, _, info = env.step(3)
    assert terminated
    assert info["mask"].nonzero()[0].tolist() == [3, 4, 5]
    env.reset(options={"index": 2})
    assert env.step(1)[2]  # one word only: one pick


def test_units_in_the_vector_environment() -> None:
    single = MaskingEnv(**arguments(units=UNITS, k=2))
    vector = MaskingVectorEnv(**arguments(k=2))
    tokens = padded(SEQUENCES[:3])
    units = torch.tensor([u + [0] * (LENGTH - len(u)) for u in UNITS[:3]])
    vector.reset(options={"sequences": tokens, "units": units})
    masks = torch.tensor(np.stack([[bits(1, 4), bits(3)], [bits(2), bits()], [bits(1), bits(0)]]))
    _, rewards, *_, info = vector.step(masks)
    for i in range(3):
        for m in range(2):
            single.reset(options={"index": i})
            *_, reward, _, _, alone = single.step(masks[i, m].numpy())
            assert info["masks"][i, m].tolist() == alone["mask"].tolist()
            assert rewards[i, m].item() == pytest.approx(reward)


@pytest.mark.parametrize(
    ("units", "message"),
    [([[0]] * 5, "give one for each token"), ([[9] * len(s) for s in SEQUENCES], "unit 9")],
)
def test_wrong_units_are_named(units: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MaskingEnv(**arguments(units=units))
