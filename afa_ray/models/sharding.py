"""A Target whose weights are spread over the workers (FSDP2), and its tensors as wholes.

Functions that gather are collective: every worker calls them, in the same order. Sharded modules
and tensors are known by their methods: PyTorch's classes for them take a second to import, and most
runs have none.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def shard(target: nn.Module, workers: int, device: torch.device) -> None:
    """Spread a pretrained Target, still on the CPU, over the workers' devices layer by layer;
    before its optimiser is made."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
    from transformers.modeling_layers import GradientCheckpointingLayer

    cuda = device.type == "cuda"
    mesh = init_device_mesh(device.type, (workers,))
    bf16 = torch.bfloat16 if cuda and torch.cuda.is_bf16_supported() else None
    policy = MixedPrecisionPolicy(param_dtype=bf16, reduce_dtype=torch.float32 if bf16 else None)
    model = target.get_submodule("model")
    layers = [m for m in model.modules() if isinstance(m, GradientCheckpointingLayer)]
    for module in (*layers, model):
        fully_shard(module, mesh=mesh, mp_policy=policy)


def is_sharded(module: nn.Module) -> bool:
    return any(hasattr(part, "reshard") for part in module.modules())


def named_parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    """A module's parameters, sharded ones as the optimiser knows them.

    After a forward pass without a backward pass FSDP shows its gathered copies instead.
    """
    for part in module.modules():
        if hasattr(part, "reshard"):
            part.reshard()  # type: ignore[operator]
    return dict(module.named_parameters())


def whole(tensor: Tensor) -> Tensor:
    """A copy on the CPU; of a sharded tensor, whose parts are gathered, on worker 0 alone: the
    others get an empty one."""
    tensor = tensor.detach()
    if hasattr(tensor, "full_tensor"):
        tensor = tensor.full_tensor()
        if torch.distributed.get_rank():
            return torch.empty(0)
    return tensor.cpu().clone(memory_format=torch.contiguous_format)


def like(value: Tensor, parameter: Tensor) -> Tensor:
    """`whole` undone: the value on the parameter's device, spread as the parameter is."""
    if not hasattr(parameter, "device_mesh"):
        return value.to(parameter.device)
    from torch.distributed.tensor import distribute_tensor

    if torch.distributed.get_rank():
        value = torch.empty(parameter.shape, dtype=parameter.dtype)
    value = value.to(parameter.device, parameter.dtype)
    return distribute_tensor(value, parameter.device_mesh, parameter.placements)  # type: ignore[attr-defined]
