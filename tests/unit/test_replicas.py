"""Replicas in real processes average through shared memory as one process would."""

import copy
import os
from collections.abc import Callable
from contextlib import nullcontext
from multiprocessing import set_forkserver_preload
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from afa_ray.models import Target, TargetConfig
from afa_ray.models.updating import RowAdam, adam, by_rows, synchronising, trainable
from afa_ray.training.replicas import replicated
from afa_ray.training.shared_memory import SharedMemory, can_share_memory

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not can_share_memory(), reason="shared memory without a name is Linux's"),
]
CPU = torch.device("cpu")
UPDATES = 4


def in_processes(work: Callable[[int, int, str], None], workers: int, folder: Path) -> None:
    """`work(rank, workers, folder)` in a process group of that many processes."""
    started = start(work, workers, folder)
    while not started.join():
        pass


def start(work: Callable[[int, int, str], None], workers: int, folder: Path) -> Any:
    """They are forked by a server that has imported all they need, once."""
    set_forkserver_preload([replicated.__module__, __name__, "torch._dynamo"])
    arguments = (work, workers, str(folder))
    return torch.multiprocessing.start_processes(
        _joined, arguments, workers, start_method="forkserver", join=False
    )


def _joined(rank: int, work: Callable[[int, int, str], None], workers: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=workers)
    work(rank, workers, folder)
    dist.barrier()
    dist.destroy_process_group()
    os._exit(0)  # all is done; gloo's threads now and then abort a process that ends slowly


def make_target() -> Target:
    torch.manual_seed(0)
    return Target(
        TargetConfig(
            vocab_size=50,
            hidden_size=16,
            num_attention_heads=2,
            hops=2,
            dropout=0.0,
            max_position_embeddings=40,
            num_labels=2,
        )
    )


def texts(step: int) -> list[Tensor]:
    """Twelve texts of 3 to 36 tokens: more in every update, so that shared memory has to grow."""
    generator = torch.Generator().manual_seed(step)
    lengths = [3 + (n + 1) * (step + 1) % 34 for n in range(12)]
    return [torch.randint(5, 50, (length,), generator=generator) for length in lengths]


def share(rank: int, workers: int) -> list[int]:
    """Numbers of a worker's texts: two, and the last worker has the rest."""
    return [n for n in range(12) if min(n // 2, workers - 1) == rank]


def loss(module: nn.Module, part: list[Tensor]) -> Tensor:
    """The sum over texts of a loss that every token counts in."""
    ids = nn.utils.rnn.pad_sequence(part, batch_first=True)
    labels = ids.sum(1) % 2
    return nn.functional.cross_entropy(module(ids).logits, labels, reduction="sum")


def update(
    target: Target, module: nn.Module, optimizer: RowAdam, parts: list[list[Tensor]], weight: float
) -> None:
    """As the learner does it: parts, the last of which averages; spread, clipped, stepped."""
    optimizer.zero_grad(set_to_none=True)
    for part in parts:
        with synchronising(module, part is parts[-1]), by_rows(target):
            (loss(module, part) * weight).backward()
    optimizer.spread()
    nn.utils.clip_grad_norm_(trainable(target), 0.5)
    optimizer.step()


def train(workers: int, rank: int = 0) -> dict[str, Tensor]:
    target = make_target()
    with by_rows(target):
        module = replicated(target, CPU, one_machine=True) if workers > 1 else target
    optimizer = adam(target, 1e-2)
    for step in range(UPDATES):
        own = [texts(step)[n] for n in share(rank, workers)]
        update(target, module, optimizer, [own[:1], own[1:]], workers / 12)
    gradients = {f"gradient of {n}": p.grad for n, p in target.named_parameters()}
    return target.state_dict() | {n: g.clone() for n, g in gradients.items() if g is not None}


def train_and_save(rank: int, workers: int, folder: str) -> None:
    torch.save(train(workers, rank), f"{folder}/{rank}.pt")


@pytest.mark.parametrize("workers", [2, 3])
def test_workers_equal_one_process(workers: int, tmp_path: Path) -> None:
    """Dense gradients and rows, different ones in each worker, in two parts, clipped."""
    in_processes(train_and_save, workers, tmp_path)
    whole, first = train(1), torch.load(tmp_path / "0.pt")
    untrained = make_target().state_dict()
    assert not torch.allclose(whole["words.weight"], untrained["words.weight"], atol=1e-2)
    for rank in range(workers):
        there = torch.load(tmp_path / f"{rank}.pt")
        assert there.keys() == whole.keys()
        for name, value in whole.items():
            assert torch.allclose(there[name], value, atol=1e-4), f"{rank} {name}"
            assert torch.equal(there[name], first[name]), f"{rank} {name}: not the same bits"


class Lookup(nn.Module):
    """Rows of a table, and a weight that is neither read nor trained."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.idle = nn.Embedding(6, 3, sparse=True), nn.Linear(3, 3)

    def forward(self, ids: Tensor) -> Tensor:
        return self.words(ids).square().sum()


def gather_rows(rank: int, workers: int, folder: str) -> None:
    """By hand: one worker has rows, the other none."""
    torch.manual_seed(0)
    module = Lookup()
    module.idle.requires_grad_(False)
    wrapped = replicated(module, CPU, one_machine=True)
    expected = torch.zeros(6, 3)
    expected[[2, 5]] = 2 * module.words.weight.detach()[[2, 5]] * torch.tensor([[2.0], [1.0]]) / 2
    for _ in range(3):
        module.zero_grad()
        ids = torch.tensor([2, 5, 2] if rank == 0 else [], dtype=torch.int64)
        wrapped(ids).backward()
        gradient = module.words.weight.grad
        assert gradient is not None
        assert gradient.is_sparse
        assert torch.allclose(gradient.to_dense(), expected)


def test_a_worker_without_rows(tmp_path: Path) -> None:
    in_processes(gather_rows, 2, tmp_path)


def leave_nothing(rank: int, workers: int, folder: str) -> None:
    memory = SharedMemory(torch.float32)
    for size in (3, 4, 1000):  # grows
        shared = memory.tensor(workers, size)
        shared[rank] = rank + size
        dist.barrier()
        assert shared.tolist() == [[float(other + size)] * size for other in range(workers)]
        dist.barrier()
    files = [file.readlink().name for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]
    assert not [name for name in files if "afa_ray" in name]


def test_shared_memory_grows_and_has_no_name(tmp_path: Path) -> None:
    in_processes(leave_nothing, 3, tmp_path)


def die(rank: int, workers: int, folder: str) -> None:
    target = make_target()
    with by_rows(target):
        module = replicated(target, CPU, one_machine=True)
    optimizer = adam(target, 1e-2)
    for step in range(3):
        if (rank, step) == (1, 2):
            os.kill(os.getpid(), 9)
        with pytest.raises(RuntimeError) if step == 2 else nullcontext():
            update(target, module, optimizer, [texts(step)], 1.0)
    Path(folder, "noticed").touch()
    os._exit(0)  # no barrier: nobody would come


def test_a_lost_worker_is_noticed(tmp_path: Path) -> None:
    for process in start(die, 2, tmp_path).processes:
        process.join(60)
    assert (tmp_path / "noticed").exists()


def by_gloo(rank: int, workers: int, folder: str) -> None:
    """Not all on one machine: nothing is shared, the result is the same."""
    results = []
    for one_machine in (True, False):
        target = make_target()
        with by_rows(target):
            module = replicated(copy.deepcopy(target), CPU, one_machine=one_machine)
        with by_rows(module.module):
            loss(module, [texts(0)[n] for n in share(rank, workers)]).backward()
        results.append([p.grad.to_dense() for p in module.parameters() if p.grad is not None])
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*results, strict=True))


def test_as_through_gloo(tmp_path: Path) -> None:
    in_processes(by_gloo, 2, tmp_path)
