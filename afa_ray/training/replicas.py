"""Replicas of a module, one in each worker, that average their gradients.

DistributedDataParallel does that through gloo or NCCL. Between processes of one machine gloo sends
every byte through a network socket, which costs a single-layer player much of its update. There,
gradients go through shared memory instead, and only the workers' meetings through gloo, which also
notices when one of them is gone.
"""

# no `annotations` from the future: DistributedDataParallel checks those of a hook
from collections import defaultdict

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from afa_ray.models.player import Player
from afa_ray.training.shared_memory import SharedMemory, can_share_memory

BUCKET_MB = 100  # nothing overlaps in shared memory, so that few large buckets are best


def replicated(module: nn.Module, device: torch.device, *, one_machine: bool) -> nn.Module:
    """The module, averaging gradients over the workers of the default process group.

    Args:
        device: the module's.
        one_machine: whether all workers are processes of one machine.
    """
    # a pretrained model like XLNet has a weight that nothing reads
    unused = not isinstance(module, Player)
    if device.type == "cuda":
        return DistributedDataParallel(module, [device], find_unused_parameters=unused)
    if not one_machine or not can_share_memory():
        return DistributedDataParallel(module, find_unused_parameters=unused)
    wrapped = DistributedDataParallel(
        module,
        find_unused_parameters=unused,
        bucket_cap_mb=BUCKET_MB,
        gradient_as_bucket_view=True,
    )
    wrapped.register_comm_hook(Exchange(), Exchange.average)
    return wrapped


class Exchange:
    """Averages the gradients of one module, bucket by bucket.

    Everything is added up in the order of ranks, so that all workers get the same to the last bit.
    """

    def __init__(self) -> None:
        self._dense: dict[torch.dtype, SharedMemory] = {}
        self._rows = defaultdict[int, SharedMemory](lambda: SharedMemory(torch.int64))
        self._values: dict[int, SharedMemory] = {}

    def average(self, bucket: dist.GradBucket) -> torch.futures.Future[Tensor]:
        """The hook of `DistributedDataParallel`: a bucket's gradients become their average."""
        gradients = bucket.buffer()
        if gradients.is_sparse:
            self._average_rows(bucket.index(), gradients)
        else:
            self._average_dense(gradients)
        done: torch.futures.Future[Tensor] = torch.futures.Future()
        done.set_result(gradients)
        return done

    def _average_dense(self, gradients: Tensor) -> None:
        """(n,) gradients, in place."""
        workers, rank = dist.get_world_size(), dist.get_rank()
        memory = self._dense.setdefault(gradients.dtype, SharedMemory(gradients.dtype))
        dist.barrier()  # all have read what is there
        shares = memory.tensor(workers, len(gradients))
        torch.div(gradients, workers, out=shares[rank])
        dist.barrier()  # all have written
        torch.add(shares[0], shares[1], out=gradients)
        for share in shares[2:]:
            gradients += share

    def _average_rows(self, bucket: int, gradients: Tensor) -> None:
        """An embedding's (V, d) gradients by rows, of which each worker has other ones, in place.

        All workers' rows are put one behind the other; a row that occurs twice counts twice. The
        values stay in shared memory, for they are read only once, before the next update.
        """
        workers, rank = dist.get_world_size(), dist.get_rank()
        memory = self._values.setdefault(bucket, SharedMemory(gradients.dtype))
        counts = torch.zeros(workers, dtype=torch.int64)
        counts[rank] = gradients._nnz()
        dist.all_reduce(counts)  # and all have read what is there
        total = int(counts.sum())
        rows = self._rows[bucket].tensor(total)
        values = memory.tensor(total, gradients.shape[1])
        rows.split(counts.tolist())[rank].copy_(gradients._indices()[0])
        torch.div(gradients._values(), workers, out=values.split(counts.tolist())[rank])
        dist.barrier()  # all have written
        gradients.data = torch.sparse_coo_tensor(
            rows[None].clone(), values, gradients.shape, check_invariants=False
        )
