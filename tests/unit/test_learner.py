"""The learner's update is Algorithm 1, written out plainly here."""

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from afa_ray.config import AfaSettings, Settings
from afa_ray.data.batches import Batch, worker_batches
from afa_ray.data.corpus import Corpus
from afa_ray.data.parts import parts_of
from afa_ray.models import Discriminator, Target
from afa_ray.noise import uniform
from afa_ray.objectives.judges import stack_padded
from afa_ray.training.learner import Learner, averages
from tests.conftest import with_values
from tests.families import save_tiny


def first_batch(corpus: Corpus, contrast: bool) -> Batch:
    return next(
        worker_batches(
            corpus.train, batch_size=16, seed=0, epoch=0, needs={"partners"} if contrast else ()
        )
    )


def masked_copy(tokens: list[int], positions: set[int], kind: str) -> list[int]:
    if kind == "token":
        return [4 if i in positions else t for i, t in enumerate(tokens)]
    kept = [t for i, t in enumerate(tokens) if i not in positions]
    return kept + [0] * (len(tokens) - len(kept))


def textbook_update(learner: Learner, batch: Batch, settings: Settings, step: int) -> dict:
    """One step of Algorithm 1, sequence by sequence, with its own Adam and its own losses.

    Follows the policy's probabilities from their definitions; uses the learner's modules (a deep
    copy) as functions only.
    """
    afa = settings.afa
    target, discriminator = learner.target, learner.players.get("discriminator")
    tokens, labels = torch.from_numpy(batch.tokens), torch.from_numpy(batch.labels)
    output = target(tokens)
    row = output.attention_row
    noise = uniform(
        settings.train.seed,
        step,
        torch.from_numpy(batch.examples),
        afa.num_masks,
        1 + row.shape[1],
    )
    picks, log_probs = textbook_choice(batch, row, noise, afa)
    log_pi = torch.stack(log_probs).view(len(tokens), afa.num_masks)

    def masked(m: int) -> Tensor:
        rows = batch.tokens.tolist()
        return torch.tensor(
            [masked_copy(r, set(picks[b][m]), afa.mask) for b, r in enumerate(rows)]
        )

    copies = [masked(m) for m in range(len(picks[0]))]
    losses, rewards = {}, [-target(x).logits.log_softmax(-1)[..., labels].diag() for x in copies]
    if discriminator is not None:
        losses, rewards = textbook_game(discriminator, batch, copies, settings)
    rewards = torch.stack(rewards[: afa.num_masks], 1).detach()
    advantages = rewards - rewards.mean(1, keepdim=True)
    if afa.whiten_advantage:
        advantages = advantages / (advantages.square().mean().sqrt() + 1e-4)
    if afa.confidence:
        right = output.logits.softmax(-1)[torch.arange(len(labels)), labels]
        assert 0 < (right > afa.confidence).sum() < len(labels)  # some texts, not all
        advantages[right <= afa.confidence] = 0
    loss_adv = -(advantages * log_pi).mean()
    loss_cls = F.cross_entropy(output.logits, labels)
    adam_t = torch.optim.Adam(target.parameters(), settings.train.target_lr)
    adam_t.zero_grad()
    (loss_cls + afa.lambda_adv * loss_adv).backward()
    adam_t.step()
    return losses | {
        "loss_adv": loss_adv,
        "loss_cls": loss_cls,
        "reward_mean": rewards.mean(),
        "reward_spread": rewards.std(1, correction=0).mean(),
    }


def textbook_choice(
    batch: Batch, row: Tensor, noise: Tensor, afa: AfaSettings
) -> tuple[list[list[list[int]]], list[Tensor]]:
    """For each text and mask, which tokens are chosen and the log-probability of that choice."""
    picks: list[list[list[int]]] = []
    log_probs = []
    for b, sequence in enumerate(batch.tokens.tolist()):
        maskable = [i for i, t in enumerate(sequence) if t not in (0, 2, 3, 4)]
        share = row[b] / row[b, maskable].sum()
        k = min(afa.k, len(maskable))
        picks.append([])
        for m in range(afa.num_masks):
            keys = noise[b, m, 1:]
            if noise[b, m, 0] < afa.epsilon:
                score = {i: keys[i].item() for i in maskable}
            elif afa.policy == "topk":
                score = {i: row[b, i].item() for i in maskable}
            else:
                gumbel = {i: -math.log(-math.log(keys[i].item())) for i in maskable}
                score = {i: math.log(row[b, i].item()) + gumbel[i] for i in maskable}
            chosen = sorted(maskable, key=lambda i: -score[i])[:k]
            picks[b].append(chosen)
            if afa.policy == "topk":
                log_probs.append(sum(share[i].log() for i in chosen))
            else:
                drawn, uniformly, left = torch.ones(()), 1.0, 1 - torch.zeros(())
                for number, i in enumerate(chosen):
                    drawn = drawn * share[i] / left
                    left = left - share[i]
                    uniformly /= len(maskable) - number
                log_probs.append(torch.log((1 - afa.epsilon) * drawn + afa.epsilon * uniformly))
    return picks, log_probs


def textbook_game(
    discriminator: Discriminator | Target, batch: Batch, copies: list[Tensor], settings: Settings
) -> tuple[dict[str, Tensor], list[Tensor]]:
    """The Discriminator's step, and then its rewards for each copy."""
    labels = torch.from_numpy(batch.labels)
    condition = (labels,) if settings.discriminator.pairing == "contrast" else ()

    def d(tokens: Tensor) -> Tensor:
        """The probability of "untouched"; a twin's, that of any other class."""
        if isinstance(discriminator, Target):
            others = F.one_hot(labels, discriminator.config.num_labels) == 0
            return (discriminator(tokens).logits.softmax(-1) * others).sum(-1)
        return torch.sigmoid(discriminator(tokens, *condition))

    untouched = torch.from_numpy(batch.tokens if batch.partners is None else batch.partners)
    loss_d = -(d(untouched).log() + (1 - d(copies[0])).log()).mean()
    adam_d = torch.optim.Adam(discriminator.parameters(), settings.train.discriminator_lr)
    adam_d.zero_grad()
    loss_d.backward()
    adam_d.step()
    return {"loss_d": loss_d}, [-torch.log(1 - d(x)) for x in copies]


WHITENED = {
    "afa.whiten_advantage": True,
    "afa.confidence": 0.5,
}


@pytest.mark.parametrize("policy", ["topk", "plackett-luce"])
@pytest.mark.parametrize("pairing", ["original", "contrast"])
@pytest.mark.parametrize("mask", ["delete", "token"])
@pytest.mark.parametrize("readout", ["last", "mean"])
@pytest.mark.parametrize("more", [{}, WHITENED], ids=["centred", "whitened"])
def test_update_equals_the_textbook(
    tiny_settings: Callable[..., Settings],
    make_learner: Callable[..., Learner],
    small_corpus: Corpus,
    policy: str,
    pairing: str,
    mask: str,
    readout: str,
    more: dict,
) -> None:
    settings = tiny_settings(
        {
            "target.dropout": 0.0,
            "afa.policy": policy,
            "afa.mask": mask,
            "afa.k": 2,
            "afa.epsilon": 0.4,
            "afa.lambda_adv": 0.7,
            "discriminator.pairing": pairing,
            "discriminator.readout": readout,
            **more,
        }
    )
    learner = make_learner(settings)
    for parameter in learner.players["discriminator"].parameters():
        parameter.data *= 5  # opinions from the start, so that rewards differ
    check_update(learner, settings, first_batch(small_corpus, pairing == "contrast"))


@pytest.mark.parametrize("judge", ["target", "twin"])
@pytest.mark.parametrize("policy", ["topk", "plackett-luce"])
@pytest.mark.parametrize("mask", ["delete", "token"])
@pytest.mark.parametrize("hops", [1, 2])
def test_update_by_the_judgement_of_a_target_equals_the_textbook(
    tiny_settings: Callable[..., Settings],
    make_learner: Callable[..., Learner],
    small_corpus: Corpus,
    judge: str,
    policy: str,
    mask: str,
    hops: int,
) -> None:
    """Its own, or that of a twin, which begins alike and learns from masks first."""
    settings = tiny_settings(
        {
            "target.dropout": 0.0,
            "target.hops": hops,
            "afa.policy": policy,
            "afa.mask": mask,
            "afa.whiten_advantage": policy == "topk",
            "discriminator.pairing": "contrast",
            "discriminator.judge": judge,
        }
    )
    learner = make_learner(settings)
    for player in learner.players.values():
        for parameter in player.parameters():
            parameter.data *= 3
    check_update(learner, settings, first_batch(small_corpus, judge == "twin"))


def test_a_moving_average_judges(
    tiny_settings: Callable[..., Settings],
    make_learner: Callable[..., Learner],
    small_corpus: Corpus,
) -> None:
    """It begins where the Target does, goes a hundredth of the way to it, and then pays."""
    values = {"discriminator.pairing": "contrast", "discriminator.judge": "average"}
    learner = make_learner(tiny_settings(values))
    target, average = learner.target, learner.players["discriminator"]
    start = {name: value.clone() for name, value in target.named_parameters()}
    assert all(torch.equal(value, start[name]) for name, value in average.named_parameters())
    with torch.no_grad():
        target.classifier.weight += 1
    batch = first_batch(small_corpus, False)
    learner.update(batch, 0)
    weight = average.get_parameter("classifier.weight")
    assert torch.allclose(weight, start["classifier.weight"] + 0.01)
    assert torch.equal(average.get_parameter("words.weight"), start["words.weight"])
    assert learner.rollout is not None
    labels, row = torch.from_numpy(batch.labels), learner.rollout
    copies = row.tokens.new_tensor(
        [masked_copy(t, set(m.nonzero()[:, 0].tolist()), "delete")
         for t, m in zip(row.tokens.tolist(), row.masks[:, 0], strict=True)]
    )  # fmt: skip
    with torch.no_grad():
        logits = average.eval()(copies).logits
    paid = F.cross_entropy(logits, labels, reduction="none")
    assert torch.allclose(row.rewards[:, 0], paid, atol=1e-5)
    assert "discriminator" not in learner.optimizers


def check_update(learner: Learner, settings: Settings, batch: Batch) -> None:
    """The learner's figures, weights and gradients after an update are those of the textbook."""
    textbook, before = copy.deepcopy(learner), copy.deepcopy(learner)
    expected = textbook_update(textbook, batch, settings, step=5)
    learner.update(batch, step=5)
    figures, _ = averages(learner.sums, learner.metrics)
    assert expected["reward_spread"] > 1e-3
    for name, value in expected.items():
        # L_adv adds terms of about 6 with both signs, whose rounding differs between processors
        tolerance = 5e-5 if name in ("loss", "loss_adv") else 5e-6
        assert figures[f"train/{name}"] == pytest.approx(value.item(), rel=1e-4, abs=tolerance), (
            name
        )
    for player in learner.players:
        ours = dict(learner.players[player].named_parameters())
        theirs = dict(textbook.players[player].named_parameters())
        starts = dict(before.players[player].named_parameters())
        for name in ours:
            # Adam's first step is lr * sign(gradient): compare where the gradient is not noise
            moved = (theirs[name] - starts[name]).abs() > 0.99 * settings.train.target_lr
            assert torch.allclose(ours[name][moved], theirs[name][moved], atol=2e-5), name
            if ours[name].grad is not None and theirs[name].grad is not None:
                scale = theirs[name].grad.abs().max().item()
                assert torch.allclose(
                    ours[name].grad, theirs[name].grad, rtol=1e-3, atol=1e-4 * scale + 1e-8
                ), name
            assert moved.any() or "classes" in name or "in_proj_bias" in name, name


def test_plain_training_has_no_discriminator(
    tiny_settings: Callable[..., Settings],
    make_learner: Callable[..., Learner],
    small_corpus: Corpus,
) -> None:
    learner = make_learner(tiny_settings({"afa.lambda_adv": 0.0}))
    learner.update(first_batch(small_corpus, False), 0)
    assert list(learner.players) == ["target"]
    assert learner.rollout is None
    figures, tokens = averages(learner.sums, learner.metrics)
    assert set(figures) == {f"train/{n}" for n in ("loss", "loss_cls", "accuracy", "attention_entropy")}  # fmt: skip  # noqa: E501
    assert tokens == (first_batch(small_corpus, False).tokens != 0).sum()


def test_figures_are_means_over_texts(
    tiny_settings: Callable[..., Settings],
    make_learner: Callable[..., Learner],
    small_corpus: Corpus,
) -> None:
    learner = make_learner(tiny_settings())
    batches = list(worker_batches(small_corpus.train, batch_size=16, seed=0, epoch=0))[:3]
    singles, weights = [], []
    for step, batch in enumerate(batches):
        before = learner.sums.clone()
        learner.update(batch, step)
        figures, _ = averages(learner.sums - before, learner.metrics)
        singles.append(figures["train/loss_cls"])
        weights.append(len(batch.labels))
    figures, _ = averages(learner.sums, learner.metrics)
    names = ("loss", "loss_cls", "accuracy", "attention_entropy", "loss_adv", "loss_d",
             "d_accuracy", "reward_mean", "reward_spread")  # fmt: skip
    assert list(figures) == [f"train/{name}" for name in names]
    assert figures["train/loss_cls"] == pytest.approx(np.average(singles, weights=weights))


def test_stack_padded() -> None:
    both = stack_padded(torch.tensor([[1, 2]]), torch.tensor([[3, 4, 5]]), pad_id=0)
    assert both.tolist() == [[1, 2, 0], [3, 4, 5]]


@pytest.mark.parametrize("policy", ["topk", "plackett-luce"])
@pytest.mark.parametrize("pairing", ["original", "contrast"])
@pytest.mark.parametrize("more", [{}, WHITENED], ids=["centred", "whitened"])
def test_accumulation_of_4_times_8_equals_32(
    tiny_settings: Callable[..., Settings],
    make_learner: Callable[..., Learner],
    small_corpus: Corpus,
    pairing: str,
    policy: str,
    more: dict,
) -> None:
    """Weights after two updates, and all figures."""
    values = {
        "target.dropout": 0.0,
        "train.batch_size": 32,
        "train.max_grad_norm": 0.5,
        "train.schedule": "linear",
        "train.warmup_steps": 3,
        "discriminator.pairing": pairing,
        "afa.policy": policy,
        **more,
    }
    settings = tiny_settings(values)
    whole = make_learner(settings)
    parts = make_learner(with_values(settings, **{"train.accumulation_steps": 4}))
    needs = {"partners"} if pairing == "contrast" else ()
    batches = worker_batches(small_corpus.train, batch_size=32, seed=0, epoch=0, needs=needs)
    for step, batch in zip(range(2), batches, strict=False):
        assert [len(part.labels) for part in batch.parts(4)] == [8, 8, 7, 7]
        for learner in (whole, parts):
            learner.update(batch, step)
    one, four = (averages(learner.sums, learner.metrics)[0] for learner in (whole, parts))
    for name in one:
        assert four[name] == pytest.approx(one[name], rel=1e-4, abs=5e-5), name
    for player in ("target", "discriminator"):
        theirs = dict(whole.players[player].named_parameters())
        for name, parameter in parts.players[player].named_parameters():
            scale = theirs[name].grad.abs().max().item() if theirs[name].grad is not None else 0
            if parameter.grad is not None:
                assert torch.allclose(
                    parameter.grad, theirs[name].grad, atol=1e-3 * scale + 1e-8
                ), name
            assert torch.allclose(parameter, theirs[name], atol=2e-4), name


def test_accumulation_of_a_pretrained_target(
    tiny_settings: Callable[..., Settings],
    make_learner: Callable[..., Learner],
    small_corpus: Corpus,
    tmp_path: Path,
) -> None:
    """4 x 8 = 1 x 32 for a tiny Llama with words masked whole; it has no dropout."""
    name = save_tiny("llama", tmp_path, small_corpus.tokenizer)
    settings = tiny_settings(
        {
            "target.name": name,
            "target.dropout": 0.0,
            "discriminator.pairing": "contrast",
            "afa.unit": "word",
        }
    )
    whole = make_learner(settings)
    parts = make_learner(with_values(settings, **{"train.accumulation_steps": 4}))
    batch = next(
        worker_batches(small_corpus.train, batch_size=32, seed=0, epoch=0, needs={"partners"})
    )
    pairs_of_tokens = np.arange(batch.tokens.shape[1]) // 2
    batch = replace(batch, units=np.tile(pairs_of_tokens, (len(batch.tokens), 1)))
    for learner in (whole, parts):
        learner.update(batch, 0)
    one, four = (averages(learner.sums, learner.metrics)[0] for learner in (whole, parts))
    for figure in one:
        assert four[figure] == pytest.approx(one[figure], rel=1e-4, abs=5e-5), figure
    theirs = dict(whole.target.named_parameters())
    for parameter_name, parameter in parts.target.named_parameters():
        expected = theirs[parameter_name].grad
        scale = expected.abs().max().item()
        assert torch.allclose(parameter.grad, expected, atol=1e-3 * scale), parameter_name
    assert whole.rollout is not None
    tokens, _, masks, _ = whole.rollout
    pairs = masks[..., : masks.shape[-1] // 2 * 2].unflatten(-1, (-1, 2))
    real = (tokens > 4)[:, None, : masks.shape[-1] // 2 * 2].unflatten(-1, (-1, 2)).expand_as(pairs)
    assert (pairs.any(-1) == (pairs | ~real).all(-1))[real.any(-1)].all()  # a word whole, or not
    assert pairs.any(-1).sum(-1).amax() == settings.afa.k


def test_the_same_dropout_is_drawn_when_a_part_is_read_again(
    tiny_settings: Callable[..., Settings],
    make_learner: Callable[..., Learner],
    small_corpus: Corpus,
) -> None:
    learner = make_learner(tiny_settings({"train.accumulation_steps": 2, "target.dropout": 0.5}))
    batch = first_batch(small_corpus, False)
    first, second = parts_of(batch, 2, learner.device)
    again = [learner._forward(first, 3, choosing=c).logits for c in (True, False)]
    assert torch.equal(*again)
    assert not torch.equal(again[0], learner._forward(first, 4).logits)
    assert second.number == 1


def test_long_gradients_are_scaled_down(
    tiny_settings: Callable[..., Settings],
    make_learner: Callable[..., Learner],
    small_corpus: Corpus,
) -> None:
    norms = []
    for limit in (0.0, 0.01):
        learner = make_learner(tiny_settings({"train.max_grad_norm": limit}))
        learner.update(first_batch(small_corpus, False), 0)
        gradients = [p.grad for p in learner.target.parameters() if p.grad is not None]
        norms.append(torch.cat([g.flatten() for g in gradients]).norm().item())
    assert norms[0] > 0.1
    assert norms[1] == pytest.approx(0.01, rel=1e-3)
