"""Copies that are never made read like those that are; the fused products have true gradients."""

import pytest
import torch
from torch import Tensor

from afa_ray.models import Discriminator, DiscriminatorConfig
from afa_ray.models.discriminator import distinct
from afa_ray.models.gathering import gatherer
from envs import MaskingGame, delete_tokens

PAD = 0


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def test_reading_has_the_values_and_gradients_of_plain_attention() -> None:
    torch.manual_seed(0)
    embeddings, keys, noise = random(2, 5, 3), random(2, 4, 3), torch.rand(2, 4, 5).double() * 2
    biases = random(2, 4, 5).detach().masked_fill(torch.rand(2, 4, 5) < 0.3, -torch.inf)
    biases[..., 0] = 0.5
    biases.requires_grad_()
    _, gather = gatherer(embeddings, torch.tensor([0]), torch.tensor([0]))
    rows, weights, context = gather(keys, biases, noise)
    plain = (keys @ embeddings.transpose(1, 2) + biases).softmax(-1)
    assert torch.allclose(rows, plain)
    assert torch.allclose(weights, plain * noise)
    assert torch.allclose(context, (plain * noise) @ embeddings)

    def loss(*results: Tensor) -> Tensor:
        torch.manual_seed(1)
        return sum((x * torch.randn_like(x)).sum() for x in results)  # type: ignore[return-value]

    inputs = (embeddings, keys, biases)
    ours = torch.autograd.grad(loss(rows, weights, context), inputs)
    textbook = (plain, plain * noise, (plain * noise) @ embeddings)
    theirs = torch.autograd.grad(loss(*textbook), inputs)
    for got, wanted in zip(ours, theirs, strict=True):
        assert torch.allclose(got, wanted, atol=1e-12)


def test_gradients_of_what_is_picked_out_join_those_of_the_reading() -> None:
    torch.manual_seed(0)
    keys, noise = random(2, 4, 3), torch.ones(2, 4, 5).double()
    sequence, column = torch.tensor([1, 0, 1]), torch.tensor([4, 2, 4])  # one of them twice

    def loss(embeddings: Tensor, picking: bool) -> Tensor:
        if picking:
            picked, gather = gatherer(embeddings, sequence, column)
            _, _, context = gather(keys, noise - 1, noise)
        else:
            picked = embeddings[sequence, column]
            context = (keys @ embeddings.transpose(1, 2)).softmax(-1) @ embeddings
        return (context**2).sum() + (picked**3).sum()

    embeddings = random(2, 5, 3)
    ours, theirs = (
        torch.autograd.grad(loss(embeddings, picking), embeddings)[0] for picking in (True, False)
    )
    assert torch.allclose(ours, theirs, atol=1e-12)


def judge(**changes: object) -> Discriminator:
    torch.manual_seed(1)
    sizes = {"vocab_size": 40, "hidden_size": 32, "max_position_embeddings": 9, "dropout": 0.0}
    model = Discriminator(DiscriminatorConfig(**(sizes | changes))).double()
    for parameter in model.parameters():  # biases and norms away from zero and one
        parameter.data += 0.1 * torch.randn_like(parameter)
    if model.config.embedding_size:
        model.embed_with(torch.randn(40, 24, dtype=torch.float64))
    return model


def texts() -> tuple[Tensor, Tensor]:
    """(4, 9) texts of lengths 9, 4, 1, 9, two of them ending alike, and (4, 3, 9) deletions: none,
    some (the last token of one text), and all of it."""
    torch.manual_seed(2)
    tokens = torch.randint(5, 40, (4, 9))
    tokens[[0, 3], -1] = 7
    tokens[1, 4:] = tokens[2, 1:] = PAD
    some = (torch.rand(4, 9) < 0.4) & (tokens != 7)
    some[1, 3] = True
    deleted = torch.stack([torch.zeros_like(some), some, torch.ones_like(some)], 1)
    return tokens, deleted & (tokens != PAD)[:, None]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("changes", [{}, {"num_classes": 3}, {"embedding_size": 24}])
def test_copies_that_share_a_lookup_equal_copies_that_are_made(
    training: bool, changes: dict[str, int]
) -> None:
    model, (tokens, deleted) = judge(**changes).train(training), texts()
    classes = torch.tensor([0, 1, 2, 0])
    condition = (classes,) if changes.get("num_classes") else ()
    weights = torch.randn(4, 3, dtype=torch.float64)

    shared = model(tokens, *condition, deleted=deleted)
    made = delete_tokens(tokens[:, None], deleted, PAD).flatten(0, 1)
    apart = model(made, *(c.repeat_interleave(3) for c in condition)).view(4, 3)
    assert torch.allclose(shared, apart, atol=1e-12)
    for name, parameter in model.named_parameters():
        ours, theirs = (
            torch.autograd.grad((x * weights).sum(), parameter, retain_graph=True)[0]
            for x in (shared, apart)
        )
        assert torch.allclose(ours, theirs, atol=1e-10), name


def test_distinct_copies_by_hand() -> None:
    kept = torch.tensor(
        [[[1, 1], [0, 1], [1, 1]], [[0, 1], [0, 1], [0, 1]], [[1, 0], [0, 0], [1, 1]]]
    ).bool()
    first, kind = distinct(kept)
    assert first.tolist() == [0, 1, 3, 6, 7, 8]
    assert kind.tolist() == [0, 1, 0, 2, 2, 2, 3, 4, 5]


def test_the_game_pays_the_same_whether_copies_are_made() -> None:
    model, (tokens, deleted) = judge().eval(), texts()
    sizes = {"k": 9, "mask": "delete", "special_ids": (), "pad_id": PAD}
    fast = MaskingGame(model, **sizes)
    slow = MaskingGame(lambda ids: model(ids), **sizes)
    assert fast.shares_copies
    assert not slow.shares_copies
    for one, other in zip(fast.play(tokens, deleted), slow.play(tokens, deleted), strict=True):
        assert torch.allclose(one, other, atol=1e-6)
