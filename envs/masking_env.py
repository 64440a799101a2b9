"""The masking choice as Gymnasium environments.

An episode is one sequence: the agent chooses tokens to mask, the Discriminator looks at the masked
sequence, and its log-confusion (E6) is the reward. With `units`, the words that the tokens are
pieces of, whole words are masked. `MaskingEnv` takes the whole set at once,
`SequentialMaskingEnv` one token a step, `MaskingVectorEnv` a batch of sequences as tensors on the
training device; `MaskingGame` holds the rules of all three.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from torch import Tensor

from envs.dynamics import Discriminator, MaskingGame, pad_sequences, pad_units
from envs.masking import MaskKind, masked_units

Observation = dict[str, Any]


def observation_space(length: int, largest_id: int) -> spaces.Dict:
    """`tokens`: (L,) int64 ids, padded; `maskable`: (L,) int8, 1 where a token may be masked."""
    return spaces.Dict(
        {
            "tokens": spaces.Box(0, largest_id, (length,), np.int64),
            "maskable": spaces.MultiBinary(length),
        }
    )


def _largest_id(tokens: np.ndarray, game: MaskingGame) -> int:
    return int(max(tokens.max(initial=0), game.pad_id, game.mask_id or 0))


class _SingleEnv(gymnasium.Env[Observation, Any]):
    """What the one-sequence environments share: sequences, reset, and the end of an episode."""

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 (as Gymnasium declares it)

    def __init__(
        self,
        *,
        sequences: Sequence[Sequence[int]],
        discriminator: Discriminator,
        k: int = 3,
        mask: MaskKind = "delete",
        special_ids: Sequence[int] = (),
        pad_id: int = 0,
        mask_id: int | None = None,
        units: Sequence[Sequence[int]] | None = None,
    ) -> None:
        self.game = MaskingGame(discriminator, k, mask, tuple(special_ids), pad_id, mask_id)
        self._padded = pad_sequences(sequences, pad_id)
        self._all_units = pad_units(units, sequences)
        self.length = self._padded.shape[1]
        self.observation_space = observation_space(
            self.length, _largest_id(self._padded, self.game)
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode on a random sequence, or on number `options["index"]`."""
        super().reset(seed=seed)
        index = (options or {}).get("index")
        if index is None:
            index = int(self.np_random.integers(len(self._padded)))
        if not 0 <= index < len(self._padded):
            raise ValueError(f"index = {index}: must be 0 to {len(self._padded) - 1}")
        self._tokens = torch.from_numpy(self._padded[index : index + 1])  # (1, L)
        self._maskable = self.game.maskable(self._tokens)
        self._units = torch.from_numpy(self._all_units[index : index + 1])  # (1, L)
        return self._observe(self._tokens, self._maskable), {}

    def _observe(self, tokens: Tensor, maskable: Tensor) -> Observation:
        return {
            "tokens": tokens[0].numpy().copy(),
            "maskable": maskable[0].numpy().astype(np.int8),
        }

    def _finish(self, masks: Tensor) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Mask (1, L) `masks` and end the episode with its reward."""
        masked, rewards = self.game.play(self._tokens, masks[:, None])
        observation = self._observe(masked[0], self.game.maskable(masked[0]))
        return observation, float(rewards[0, 0]), True, False, {"mask": masks[0].numpy()}


class MaskingEnv(_SingleEnv):
    """`AFA/Masking-v0`: one step, the whole set as `MultiBinary(L)`.

    Bits on unmaskable positions are ignored; where more than k remain, k of them are kept at random
    by the environment's generator; fewer are allowed. The observation after the step is the masked
    sequence; `info["mask"]` is the mask that was applied.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.action_space = spaces.MultiBinary(self.length)

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        chosen = torch.as_tensor(np.asarray(action)).bool()[None]
        if chosen.shape != self._tokens.shape:
            raise ValueError(
                f"action of shape {tuple(chosen.shape[1:])}: must hold {self.length} bits"
            )
        generator = torch.Generator().manual_seed(int(self.np_random.integers(2**63)))
        return self._finish(self.game.legal(chosen, self._maskable, generator, self._units))


class SequentialMaskingEnv(_SingleEnv):
    """`AFA/SequentialMasking-v0`: k picks of `Discrete(L)`, reward at the last.

    Positions are those of the original sequence throughout; a picked position is no longer
    `maskable`, and `info["action_mask"]` says (int8) what may be picked next. A pick that the mask
    forbids masks nothing and still spends the pick. The episode ends after min(k, number of
    maskable tokens) picks, or after one where nothing can be masked. With `units` a pick masks the
    token's whole unit.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.action_space = spaces.Discrete(self.length)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        observation, info = super().reset(seed=seed, options=options)
        self._picked = torch.zeros_like(self._maskable)
        self._picks_left = min(self.game.k, int(masked_units(self._maskable, self._units).sum()))
        return observation, info | {"action_mask": observation["maskable"].copy()}

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        pick = int(action)
        if not 0 <= pick < self.length:
            raise ValueError(f"action = {pick}: must be 0 to {self.length - 1}")
        if self._maskable[0, pick]:
            self._picked |= self._maskable & (self._units == self._units[0, pick])
        self._picks_left -= 1
        if self._picks_left <= 0:
            observation, reward, terminated, truncated, info = self._finish(self._picked)
        else:
            observation = self._observe(self._tokens, self._maskable & ~self._picked)
            reward, terminated, truncated, info = 0.0, False, False, {}
        info["action_mask"] = observation["maskable"].copy()
        return observation, reward, terminated, truncated, info


class MaskingVectorEnv(VectorEnv[dict[str, Tensor], Tensor, Tensor]):
    """A batch of `MaskingEnv` as tensors on one device: the trainer's rollout path.

    `reset(options={"sequences": ids})` plays the padded batch `ids` (B, L) itself, without a copy;
    `options["condition"]` (B,) is handed on to the Discriminator (the class, in pairing
    `contrast`), and with `options["units"]` (B, L) whole units are masked. Without options each
    of `num_envs` sub-environments draws one of `sequences`.

    `step(masks)` takes (B, L), or (B, M, L) for M masks of each sequence in one call; rewards are
    (B,) or (B, M). Every step ends its episodes; the next observation is that of the next ones
    (autoreset `SAME_STEP`): fresh draws, or the given batch again. `info["final_obs"]` holds the
    masked sequences, `info["masks"]` the masks that were applied. A Discriminator that learns
    before it pays is shown `masked(masks)`, which ends no episode.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (as Gymnasium declares it)
        "render_modes": [],
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        num_envs: int = 1,
        *,
        sequences: Sequence[Sequence[int]] = ((),),
        discriminator: Discriminator,
        k: int = 3,
        mask: MaskKind = "delete",
        special_ids: Sequence[int] = (),
        pad_id: int = 0,
        mask_id: int | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.game = MaskingGame(discriminator, k, mask, tuple(special_ids), pad_id, mask_id)
        self.device = torch.device(device)
        self.generator = torch.Generator(self.device)
        self.generator.seed()
        self.num_envs = num_envs
        padded = pad_sequences(sequences, pad_id)
        self._largest_id = _largest_id(padded, self.game)
        self._corpus = torch.from_numpy(padded).to(self.device)
        self._given = False
        self._condition: tuple[Tensor, ...] = ()
        self._units: Tensor | None = None
        self._set_spaces(padded.shape[1])

    @property
    def maskable(self) -> Tensor:
        """(B, L) bool: what may be masked of the present sequences."""
        return self._maskable

    @property
    def shares_copies(self) -> bool:
        """Whether the Discriminator judges masked copies without their being made."""
        return self.game.shares_copies

    def _set_spaces(self, length: int) -> None:
        self.single_observation_space = observation_space(length, self._largest_id)
        self.single_action_space = spaces.MultiBinary(length)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Begin B episodes; see the class. The spaces describe the constructor's sequences."""
        if seed is not None:
            self.generator.manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
        options = options or {}
        self._given = "sequences" in options
        self._condition = (options["condition"],) if "condition" in options else ()
        self._units = options["units"][:, None] if "units" in options else None  # (B, 1, L)
        if self._given:
            self._play(torch.as_tensor(options["sequences"], device=self.device))
        else:
            self._draw()
        return self._observation(), {}

    def _play(self, tokens: Tensor) -> None:
        self._tokens = tokens  # (B, L)
        self._maskable = self.game.maskable(tokens)

    def _draw(self) -> None:
        index = torch.randint(
            len(self._corpus), (self.num_envs,), generator=self.generator, device=self.device
        )
        self._play(self._corpus[index])

    def _observation(self) -> dict[str, Tensor]:
        return {"tokens": self._tokens, "maskable": self._maskable.to(torch.int8)}

    def masked(self, masks: Tensor) -> Tensor:
        """(B, L) ids of the present sequences under (B, L) `masks`; no episode ends."""
        return self.game.mask_out(self._tokens, masks)

    def step(
        self, actions: Any
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor, dict[str, Any]]:
        masks = torch.as_tensor(actions, device=self.device).bool()
        batch, *copied, length = masks.shape
        if (batch, length) != self._tokens.shape or len(copied) > 1:
            raise ValueError(
                f"actions of shape {tuple(masks.shape)}: must be (B, L) or (B, M, L) with "
                f"B, L = {tuple(self._tokens.shape)}"
            )
        masks = masks.reshape(batch, -1, length)  # (B, M, L)
        masks = self.game.legal(masks, self._maskable[:, None], self.generator, self._units)
        masked, rewards = self.game.play(self._tokens, masks, *self._condition)
        shape = (batch, *copied)
        info = {
            "final_obs": {"tokens": masked.view(*shape, length)},
            "masks": masks.view(*shape, length),
        }
        ended = torch.ones(len(self._tokens), dtype=torch.bool, device=self.device)
        if not self._given:
            self._draw()
        return self._observation(), rewards.view(shape), ended, torch.zeros_like(ended), info
