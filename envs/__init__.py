"""The world of AFA: what masking does to a sequence and what it earns.

Importing this package registers `AFA/Masking-v0` and `AFA/SequentialMasking-v0` with Gymnasium.
"""

import gymnasium

from envs.dynamics import MaskingGame
from envs.masking import apply_mask, delete_tokens, maskable_tokens, replace_tokens
from envs.masking_env import MaskingEnv, MaskingVectorEnv, SequentialMaskingEnv
from envs.reward import group_advantage, log_confusion, squared_sum, whiten

__all__ = [
    "MaskingEnv",
    "MaskingGame",
    "MaskingVectorEnv",
    "SequentialMaskingEnv",
    "apply_mask",
    "delete_tokens",
    "group_advantage",
    "log_confusion",
    "maskable_tokens",
    "replace_tokens",
    "squared_sum",
    "whiten",
]

gymnasium.register(
    id="AFA/Masking-v0",
    entry_point="envs.masking_env:MaskingEnv",
    vector_entry_point="envs.masking_env:MaskingVectorEnv",
)
gymnasium.register(
    id="AFA/SequentialMasking-v0",
    entry_point="envs.masking_env:SequentialMaskingEnv",
)
