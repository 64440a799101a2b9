"""What an update computes beside its peers: FLOPs and operations, which no machine changes."""

from __future__ import annotations

from typing import Any

import pytest
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from afa_ray.benchmark import step
from afa_ray.benchmark.options import SpeedSettings
from afa_ray.dotted import override

NAMES = ["textbook", "textbook-afa", "plain", "afa", "explainable"]


class Operations(TorchDispatchMode):
    """Counts what is dispatched, but for views, which compute nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += not op.is_view
        return op(*args, **(kwargs or {}))


def work(size: str) -> dict[str, tuple[int, int]]:
    """FLOPs and operations of one update of each contender, 64 wide."""
    values = {"target.hidden_size": 64, "discriminator.hidden_size": 64, "data.vocab_size": 200}
    settings = override(SpeedSettings(), values | {"train.use_gpu": False})
    found = {}
    for name in NAMES:
        turn = step.contenders([name], settings)[name]
        batches = step.random_batches(settings, size, 0, 2)
        turn(batches[:1])  # what is made with the first update alone
        with FlopCounterMode(display=False) as flops, Operations() as operations:
            turn(batches[1:])
        found[name] = flops.get_total_flops(), operations.count
    return found


# Ratios of FLOPs by size, at most 5% above what they are; below, they may be.
FLOPS = {
    ("plain", "textbook"): {"64x16": 0.0654, "64x64": 0.0247, "32x256": 0.0114},
    ("afa", "textbook"): {"64x16": 0.2508, "64x64": 0.0997, "32x256": 0.0481},
    ("afa", "textbook-afa"): {"64x16": 0.0836, "64x64": 0.0332, "32x256": 0.0160},
    ("afa", "plain"): {"64x16": 3.84, "64x64": 4.04, "32x256": 4.21},
    ("explainable", "plain"): {"64x16": 5.19, "64x64": 5.29, "32x256": 5.36},
}
# Ratios of operations, which on a GPU are launches: at any size, and a tenth more at most.
OPERATIONS = {
    ("plain", "textbook"): 1.98,
    ("afa", "textbook-afa"): 1.33,
    ("afa", "plain"): 3.17,
    ("explainable", "plain"): 3.33,
}


@pytest.mark.parametrize("size", ["64x16", "64x64", "32x256"])
def test_an_update_beside_its_peers(size: str) -> None:
    found = work(size)
    flops = {
        pair: found[pair[0]][0] / found[pair[1]][0] / ratios[size] for pair, ratios in FLOPS.items()
    }
    assert max(flops.values()) < 1.05, flops
    operations = {
        pair: found[pair[0]][1] / found[pair[1]][1] / ratio for pair, ratio in OPERATIONS.items()
    }
    assert max(operations.values()) < 1.1, operations


def test_the_flops_of_textbook_training_by_hand() -> None:
    """Of 64 texts of 16 tokens, 64 wide: the bars stand on what is really counted."""
    tokens, width, length = 64 * 16, 64, 16
    layer = 4 * width * width + 2 * 4 * width * width  # attention's products, feed-forward
    attention = 2 * length * width  # scores and weighted sum
    forward = 2 * tokens * (layer + attention) + 2 * 64 * width * step.CLASSES
    assert work("64x16")["textbook"][0] == pytest.approx(3 * forward, rel=0.02)
