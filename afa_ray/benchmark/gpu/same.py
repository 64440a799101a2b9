"""The same on a GPU as on a CPU: one update, its figures, gradients and weights; attention rows.

Dropout, whose noise each device draws in its own way, is off. An update on the CPU in float32 is
the reference; that of the device is compared with it parameter by parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from afa_ray.benchmark.families import FAMILIES, PAD, VOCABULARY, tiny
from afa_ray.benchmark.gpu.checks import Check, Found
from afa_ray.benchmark.gpu.options import GpuSettings, sized
from afa_ray.benchmark.pretrained import random_batch
from afa_ray.benchmark.step import explainable, make_learner, random_batches
from afa_ray.data.batches import Batch
from afa_ray.dotted import override
from afa_ray.models.pretrained import PretrainedTarget
from afa_ray.training.learner import Learner, averages, build_learner
from afa_ray.training.making import to_device
from afa_ray.training.players import make_discriminator
from afa_ray.training.session import pick_device

M = TypeVar("M", bound=nn.Module)

CPU = torch.device("cpu")
METHODS: dict[str, Callable[[GpuSettings], GpuSettings]] = {
    "plain": lambda settings: override(settings, {"afa.lambda_adv": 0.0}),
    "original": lambda settings: settings,
    "contrast": lambda settings: override(settings, {"discriminator.pairing": "contrast"}),
    "explainable": explainable,
}
PRETRAINED = ("bert", "gpt2", "llama")
TEXTS, LENGTH = 16, 24
SMALL_GRADIENT = (
    1e-3  # of the whole one: below it, an error counts as if the gradient had this size
)
TOLERANCE = {"float32": 2e-3, "bfloat16": 0.1}  # of a gradient, by its norm
LOSS_TOLERANCE = {"float32": 1e-5, "bfloat16": 2e-2}
ROW_TOLERANCE = 1e-4  # of a weight


class State(NamedTuple):
    """After an update, on the CPU: its figures, masks, and each parameter's gradient and value."""

    figures: dict[str, float]
    masks: Tensor
    gradients: dict[str, Tensor]
    weights: dict[str, Tensor]


def checks(settings: GpuSettings) -> Iterator[Check]:
    device = pick_device(settings.train.use_gpu)
    settings = override(sized(settings), {"target.dropout": 0.0})
    for model in ("single layer", *PRETRAINED):
        for method in METHODS:
            for precision in ("float32", "bfloat16"):
                yield (
                    f"{model}, {method}, {precision}",
                    partial(compare, settings, model, method, precision, device),
                )
    for family in FAMILIES:
        yield f"attention row, {family}", partial(compare_rows, family, device)


def compare(
    settings: GpuSettings, model: str, method: str, precision: str, device: torch.device
) -> Found:
    """An update on the device beside one on the CPU in float32.

    In bfloat16 a mask may be chosen otherwise, and its gradient is another then: with feedback only
    the classification loss has a bar there.
    """
    settings = METHODS[method](settings)
    reference = after_update(settings, model, CPU, "float32")
    found = after_update(settings, model, device, precision)
    loss = abs(found.figures["train/loss_cls"] - reference.figures["train/loss_cls"])
    figures: dict[str, float] = {
        "loss": loss / reference.figures["train/loss_cls"],
        "gradient": largest_difference(found.gradients, reference.gradients),
        "weights": largest_difference(found.weights, reference.weights),
        "masks alike": (found.masks == reference.masks).all(-1).float().mean().item(),
    }
    passed = figures["loss"] <= LOSS_TOLERANCE[precision]
    if precision == "float32" or method == "plain":
        passed = passed and figures["gradient"] <= TOLERANCE[precision]
    return Found(dict(figures), passed)


def after_update(settings: GpuSettings, model: str, device: torch.device, precision: str) -> State:
    """The state after one update of a fresh learner."""
    settings = override(settings, {"train.precision": precision})
    learner, batch = learner_and_batch(settings, model, device)
    learner.update(batch, 0)
    return state_of(learner)


def learner_and_batch(
    settings: GpuSettings, model: str, device: torch.device
) -> tuple[Learner, Batch]:
    """A learner of the single layer or of a tiny model of a family, and a batch for it."""
    if model == "single layer":
        return make_learner(settings, device), random_batches(settings, f"{TEXTS}x{LENGTH}", 0, 1)[
            0
        ]
    settings = override(settings, {"target.name": model, "target.hops": 1})
    target = PretrainedTarget(without_dropout(tiny(model, classes=2)))
    judge = None
    if settings.afa.lambda_adv and settings.discriminator.judge == "trained":
        torch.manual_seed(0)
        judge = make_discriminator(settings, target, VOCABULARY, 2, LENGTH)
        to_device(judge, device)
    learner = build_learner(
        settings,
        to_device(target, device),
        judge,
        special_ids=(PAD, 2, 3),
        pad_id=PAD,
        mask_id=None,
        device=device,
        total_steps=1,
    )
    contrast = settings.discriminator.pairing == "contrast"
    random = np.random.default_rng(0)
    return learner, random_batch(random, VOCABULARY, TEXTS, LENGTH, contrast)


def without_dropout(model: M) -> M:
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


def state_of(learner: Learner) -> State:
    """What an update has left: of both players where there are two."""
    parameters = {
        f"{player}.{name}": parameter
        for player, module in learner.players.items()
        for name, parameter in module.named_parameters()
        if parameter.requires_grad
    }
    rollout = learner.rollout
    return State(
        averages(learner.sums, learner.metrics)[0],
        torch.ones(1, 1) if rollout is None else rollout.masks.cpu(),
        {n: p.grad.detach().cpu() for n, p in parameters.items() if p.grad is not None},
        {n: p.detach().cpu() for n, p in parameters.items()},
    )


def largest_difference(found: dict[str, Tensor], reference: dict[str, Tensor]) -> float:
    """The largest of all parameters' ||found - reference|| / ||reference||."""
    assert found.keys() == reference.keys(), found.keys() ^ reference.keys()
    whole = torch.stack([x.norm() for x in reference.values()]).norm()
    return max(
        ((found[name] - x).norm() / x.norm().clamp_min(SMALL_GRADIENT * whole)).item()
        for name, x in reference.items()
    )


@torch.no_grad()
def compare_rows(family: str, device: torch.device) -> Found:
    """Rows of three texts in one padded batch, beside those of eager attention, each text alone."""
    model = to_device(tiny(family), device)
    model.set_attn_implementation("eager")
    torch.manual_seed(1)
    texts = [torch.randint(4, VOCABULARY, (length,), device=device) for length in (9, 5, 2)]
    weights = [
        model(input_ids=text[None], output_attentions=True).attentions[-1][0].mean(0)
        for text in texts
    ]
    target = PretrainedTarget(model).eval()
    tokens = nn.utils.rnn.pad_sequence(texts, batch_first=True, padding_value=PAD)
    rows = target(tokens).attention_row
    position = 0 if target.reading == "first" else -1
    error = max(
        (rows[i, : len(text)] - weights[i][position]).abs().max().item()
        for i, text in enumerate(texts)
    )
    way = "eager" if target.eager else "SDPA"
    return Found({"attention": way, "error": error}, error <= ROW_TOLERANCE)
