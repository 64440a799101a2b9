"""What is read of a trained model: the row, what reads more than the row, and what they are held
against. Each is (model, inputs, classes) -> scores, with its passes, a way back counted as one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor

from afa_ray.explainers.asking import METHODS
from afa_ray.explainers.gradients import integrated_gradients
from afa_ray.explainers.interface import Explained
from studies.faithful.ways.gates import layers_ig, rolled, value_norm

ALL = 6  # layers of MiniLM


def ig(steps: int) -> Callable[..., Explained]:
    """Integrated gradients with so many steps, whatever their error."""
    return partial(integrated_gradients, steps=steps, tolerance=math.inf)


READINGS: dict[str, tuple[Callable[..., Any], int]] = {
    "attention": (METHODS["attention"], 1),
    "random": (METHODS["random"], 0),
    "value_norm": (value_norm, 1),
    "attention_ig": (METHODS["attention_ig"], 5),
    "attention_ig, last 2": (layers_ig(2, 3), 6),
    "attention_ig, last 3": (layers_ig(3, 3), 6),
    "attention_ig, all": (layers_ig(ALL, 3), 6),
    "attention_ig, all, 1 step": (layers_ig(ALL, 1), 2),
    "attention_ig, all, 2 steps": (layers_ig(ALL, 2), 4),
    "attention_ig, all, 5 steps": (layers_ig(ALL, 5), 10),
    "attention_ig, all, renormalised": (layers_ig(ALL, 3, renormalised=True), 6),
    "attention_x_gradient, all": (layers_ig(ALL, 0), 2),
    "attention_ig, rolled": (rolled(by_gradient=False), 7),
    "attention_ig, rolled by gradient": (rolled(by_gradient=True), 7),
    "gae": (METHODS["gae"], 2),
    "cp_lrp": (METHODS["cp_lrp"], 2),
    "attn_lrp": (METHODS["attn_lrp"], 2),
    "gradient_x_input": (METHODS["gradient_x_input"], 2),
    "ig, 2 steps": (ig(2), 4),
    "ig, 3 steps": (ig(3), 6),
    "ig, 5 steps": (ig(5), 10),
    "ig, 20 steps": (ig(20), 40),
}


class Timed:
    """An explainer that counts its processor seconds."""

    def __init__(self, reading: str) -> None:
        self.function, self.seconds = READINGS[reading][0], 0.0

    def __call__(self, *asked: Any) -> Tensor:
        started = time.process_time()
        found = self.function(*asked)
        self.seconds += time.process_time() - started
        return found.scores if isinstance(found, Explained) else found
