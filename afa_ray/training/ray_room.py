"""Whether a Ray cluster has room for so many models in use, and their share of its GPUs."""

from __future__ import annotations

import math

from afa_ray.errors import UserError


def gpus_a_model(setting: str, models: int, device: str | None) -> float:
    """The share of a GPU that each of so many models has: a whole one, or a part where GPUs are
    fewer; 0 where there are none, or another device is asked for.

    Args:
        setting: that says how many, for messages.

    Raises:
        UserError: the connected cluster has fewer CPUs than models, which would wait for ever.
    """
    import ray

    cluster = ray.cluster_resources()
    cpus, gpus = int(cluster.get("CPU", 0)), int(cluster.get("GPU", 0))
    if models > cpus:
        raise UserError(
            f"{setting} = {models}: each needs a CPU, and the Ray cluster has {cpus}; use at most "
            f"{cpus}"
        )
    if not gpus or (device or "cuda").split(":")[0] != "cuda":
        return 0.0
    return 1 / math.ceil(models / gpus)
