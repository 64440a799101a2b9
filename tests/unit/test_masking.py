"""Mask(X, S): against plain Python on random sequences, and against examples written by hand."""

import pytest
import torch

from envs import apply_mask, delete_tokens, maskable_tokens, replace_tokens
from envs.masking import keep_at_most

PAD, MASK = 0, 99


def deleted(tokens: list[int], masks: list[bool]) -> list[int]:
    """The definition: what is not masked keeps its order, padding makes up the length."""
    kept = [token for token, masked in zip(tokens, masks, strict=True) if not masked]
    return kept + [PAD] * (len(tokens) - len(kept))


def replaced(tokens: list[int], masks: list[bool]) -> list[int]:
    return [MASK if masked else token for token, masked in zip(tokens, masks, strict=True)]


def random_batch(seed: int, rows: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, L) padded ids of random lengths, and (N, L) masks of random density on real tokens."""
    generator = torch.Generator().manual_seed(seed)
    length = int(torch.randint(1, 20, (), generator=generator))
    tokens = torch.randint(1, 50, (rows, length), generator=generator)
    lengths = torch.randint(0, length + 1, (rows, 1), generator=generator)
    real = torch.arange(length) < lengths
    density = torch.rand(rows, 1, generator=generator)
    masks = torch.rand(rows, length, generator=generator) < density
    return tokens.masked_fill(~real, PAD), masks & real


@pytest.mark.parametrize("seed", range(20))
def test_both_kinds_equal_their_definitions_on_random_sequences(seed: int) -> None:
    tokens, masks = random_batch(seed)
    pairs = list(zip(tokens.tolist(), masks.tolist(), strict=True))
    assert delete_tokens(tokens, masks, PAD).tolist() == [deleted(*pair) for pair in pairs]
    assert replace_tokens(tokens, masks, MASK).tolist() == [replaced(*pair) for pair in pairs]


@pytest.mark.parametrize(
    ("masked", "after_delete", "after_token"),
    [
        ([], [1, 5, 6, 7, 2, 0, 0], [1, 5, 6, 7, 2, 0, 0]),
        ([2], [1, 5, 7, 2, 0, 0, 0], [1, 5, 99, 7, 2, 0, 0]),
        ([1, 3], [1, 6, 2, 0, 0, 0, 0], [1, 99, 6, 99, 2, 0, 0]),
        ([0, 4], [5, 6, 7, 0, 0, 0, 0], [99, 5, 6, 7, 99, 0, 0]),
        ([0, 1, 2, 3, 4], [0, 0, 0, 0, 0, 0, 0], [99, 99, 99, 99, 99, 0, 0]),
        ([0, 1, 2, 3, 4, 5, 6], [0, 0, 0, 0, 0, 0, 0], [99] * 7),
    ],
)
def test_examples_by_hand(
    masked: list[int], after_delete: list[int], after_token: list[int]
) -> None:
    tokens = torch.tensor([1, 5, 6, 7, 2, PAD, PAD])
    masks = torch.zeros(7, dtype=torch.bool)
    masks[masked] = True
    assert apply_mask(tokens, masks, "delete", PAD, None).tolist() == after_delete
    assert apply_mask(tokens, masks, "token", PAD, MASK).tolist() == after_token


def test_padding_need_not_be_zero_and_moves_to_the_end() -> None:
    tokens = torch.tensor([[4, 0, 5, 6, -7]])
    masks = torch.tensor([[True, False, True, False, False]])
    assert delete_tokens(tokens, masks, -7).tolist() == [[0, 6, -7, -7, -7]]


def test_neither_kind_touches_its_arguments_or_the_type_of_the_ids() -> None:
    tokens = torch.tensor([[3, 4, 5]], dtype=torch.int32)
    masks = torch.tensor([[True, False, False]])
    results = delete_tokens(tokens, masks, PAD), replace_tokens(tokens, masks, MASK)
    assert [result.dtype for result in results] == [torch.int32, torch.int32]
    assert tokens.tolist() == [[3, 4, 5]]
    assert masks.tolist() == [[True, False, False]]


def test_a_sequence_without_positions() -> None:
    tokens, masks = torch.zeros(3, 0, dtype=torch.int64), torch.zeros(3, 0, dtype=torch.bool)
    assert delete_tokens(tokens, masks, PAD).shape == (3, 0)
    assert replace_tokens(tokens, masks, MASK).shape == (3, 0)


@pytest.mark.parametrize("kind", ["delete", "token"])
def test_m_masks_of_each_sequence_broadcast(kind: str) -> None:
    tokens, _ = random_batch(0, rows=4)
    masks = torch.rand(4, 3, tokens.shape[1], generator=torch.Generator().manual_seed(1)) < 0.5
    result = apply_mask(tokens[:, None], masks, kind, PAD, MASK)  # type: ignore[arg-type]
    define = deleted if kind == "delete" else replaced
    assert result.tolist() == [
        [define(tokens[b].tolist(), masks[b, m].tolist()) for m in range(3)] for b in range(4)
    ]
    one = torch.zeros(tokens.shape[1], dtype=torch.bool)  # one mask for all sequences
    one[0] = True
    result = apply_mask(tokens, one, kind, PAD, MASK)  # type: ignore[arg-type]
    assert result.tolist() == [define(row, one.tolist()) for row in tokens.tolist()]


def test_maskable_are_the_real_tokens_that_are_not_special() -> None:
    tokens = torch.tensor([[[1, 8, 9, 2, 0], [1, 2, 0, 0, 0]]])
    expected = [[[False, True, True, False, False], [False] * 5]]
    assert maskable_tokens(tokens, torch.tensor([1, 2, 0])).tolist() == expected


@pytest.mark.parametrize("k", [1, 2, 3, 9])
def test_keep_at_most_keeps_the_largest_keys(k: int) -> None:
    generator = torch.Generator().manual_seed(k)
    masks = torch.rand(200, 6, generator=generator) < 0.5
    keys = torch.rand(200, 6, generator=generator)
    kept = keep_at_most(masks, k, keys)
    for mask, key, result in zip(masks.tolist(), keys.tolist(), kept.tolist(), strict=True):
        set_bits = [i for i in range(6) if mask[i]]
        largest = sorted(set_bits, key=lambda i, key=key: -key[i])[:k]
        assert [i for i in range(6) if result[i]] == sorted(largest)
