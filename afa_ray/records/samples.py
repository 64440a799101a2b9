"""A few sequences of an epoch, as a person would want to see them."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedTokenizerFast

from afa_ray.objectives.interface import Rollout

SAMPLES = 4  # sequences an epoch


def describe_rollout(
    rollout: Rollout | None, tokenizer: PreTrainedTokenizerFast
) -> list[dict[str, Any]]:
    """Tokens, attention, and for each sampled mask its words and its reward in nats."""
    if rollout is None:
        return []
    described = []
    for tokens, row, masks, rewards in zip(
        *(part[:SAMPLES].cpu() for part in rollout), strict=True
    ):
        real = tokens != tokenizer.pad_token_id
        words = tokenizer.convert_ids_to_tokens(tokens[real].tolist())
        described.append(
            {
                "tokens": words,
                "attention": [round(a, 4) for a in row[real].tolist()],
                "masks": [
                    {
                        "positions": mask.nonzero()[:, 0].tolist(),
                        "words": [words[i] for i in mask.nonzero()[:, 0].tolist()],
                        "reward": round(reward, 4),
                    }
                    for mask, reward in zip(masks, rewards.tolist(), strict=True)
                ],
            }
        )
    return described
