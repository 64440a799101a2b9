"""Training in a Ray Train worker group."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from afa_ray.config import Settings
from afa_ray.errors import DivergedError, UserError, first_line
from afa_ray.models import Discriminator
from afa_ray.models.sharding import shard
from afa_ray.records.manifest import RAYS_OWN
from afa_ray.training.finish import train_and_finish
from afa_ray.training.process import prepare_process, usable_cores
from afa_ray.training.ray_address import require_cluster, starts_one
from afa_ray.training.replicas import replicated
from afa_ray.training.session import Session, write_checkpoint
from afa_ray.training.worker import Job

QUIET = {  # set before `import ray`; each can be overridden from outside
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",  # poll reports often: short epochs are common here
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # on Linux, too: listen on 127.0.0.1 alone
OUR_OWN = {  # a cluster of our own needs no tokens, for nobody else reaches it
    **LOOPBACK,
    "RAY_AUTH_MODE": "disabled",
    "RAY_worker_niceness": "0",  # training comes before Ray's own processes, not after them
    "RAY_prestart_worker_first_driver": "0",  # Train's actors use none of these processes
}


@contextmanager
def ray_cluster(
    instead: str = "train without Ray: train.num_workers 0", dashboard: bool | None = None
) -> Iterator[str | None]:
    """Be connected to a Ray cluster; yields the address of its dashboard, where it is known.

    That of a Ray job or of `RAY_ADDRESS`, else one running on this machine, else one of our own,
    which is stopped afterwards.

    Args:
        instead: what a user can do where Ray does not start.
        dashboard: whether one of our own has one, which takes seconds; None: if it is installed.

    Raises:
        UserError: there is a cluster, but it does not answer, or does not let us in.
    """
    _set_environment()
    import ray

    if ray.is_initialized():
        yield None
        return
    require_cluster()
    try:
        context = ray.init(
            logging_level=logging.ERROR, log_to_driver=False, include_dashboard=dashboard
        )
    except ConnectionError as error:
        raise UserError(
            f"{error}: is it running, and does it ask for a token? Then set RAY_AUTH_MODE=token; "
            "RAY_ADDRESS=local starts a cluster of its own"
        ) from error
    except Exception as error:  # Ray raises anything where a process of its own is slow to start
        ray.shutdown()
        raise UserError(
            f"Ray did not start, or cannot be used, on this machine ({first_line(error)}): try "
            f"again when it is less busy, or {instead}"
        ) from error
    try:
        yield f"http://{context.dashboard_url}" if context.dashboard_url else None
    finally:
        ray.shutdown()


@contextmanager
def work_that_goes_on(what: str) -> Iterator[None]:
    """Errors of Ray as a sentence: `what` failed, why, and how to go on.

    Raises:
        UserError: see there.
    """
    import ray

    try:
        yield
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None) or error
        raise UserError(
            f"{what} ({first_line(cause)}); what is done stays, and the same command goes on"
        ) from error


def _set_environment() -> None:
    """Of Ray. A cluster that this command starts listens on loopback always."""
    address = os.environ.get("RAY_ADDRESS", "")
    for name, value in (QUIET | OUR_OWN if address in ("", "local") else QUIET).items():
        os.environ.setdefault(name, value)
    if starts_one():
        os.environ.update(LOOPBACK)
        if "ray" in sys.modules:  # which has read its environment already
            from ray._private import ray_constants

            ray_constants.ENABLE_RAY_CLUSTER = False


def require_resources(settings: Settings) -> bool:
    """Whether the workers use GPUs of the connected cluster.

    Raises:
        UserError: it has fewer CPUs or GPUs than workers, which would wait for ever.
    """
    import ray

    cluster = ray.cluster_resources()
    workers, _ = settings.train.workers
    gpus = int(cluster.get("GPU", 0))
    use_gpu = settings.train.use_gpu
    if use_gpu is None:
        use_gpu = gpus >= workers
    kind, there = ("GPU", gpus) if use_gpu else ("CPU", int(cluster.get("CPU", 0)))
    if workers > there:
        raise UserError(
            f"train.num_workers = {settings.train.num_workers}: each worker needs a {kind}, and "
            f"the Ray cluster has {there}; use at most {there} workers"
            + ("" if kind == "CPU" else ", or train.use_gpu false")
        )
    return use_gpu


def train_on_ray(job: Job, *, use_gpu: bool) -> None:
    """Train in a worker group of the connected cluster; raises what ended it early."""
    from ray.train import WorkerGroupError

    from afa_ray.training.meeting import meeting

    try:
        with meeting() as torch_config:
            trainer = _trainer(job, use_gpu, torch_config)
            diverged = trainer.fit().return_value
    except WorkerGroupError as error:
        for reason in error.worker_failures.values():
            if isinstance(reason, UserError):
                raise reason from None
        raise
    finally:
        (job.run / RAYS_OWN).unlink(missing_ok=True)
    if diverged:
        raise DivergedError(diverged)


def _trainer(job: Job, use_gpu: bool, torch_config: Any) -> Any:
    """Ray Train's; `torch_config`: how its workers meet."""
    import ray
    from ray.train import FailureConfig, LoggingConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    settings = job.settings.train
    least, most = settings.workers
    return TorchTrainer(
        _worker_loop,
        torch_config=torch_config,
        # by reference: Train's controller, which only hands it on, needs none of our imports
        train_loop_config={"job": ray.put(job), "use_gpu": use_gpu},
        scaling_config=ScalingConfig(
            num_workers=least if least == most else (least, most),
            use_gpu=use_gpu,
        ),
        run_config=RunConfig(
            name=job.run.name,
            storage_path=str(job.run.parent),
            failure_config=FailureConfig(max_failures=settings.max_failures),
            logging_config=LoggingConfig(log_level="ERROR"),
        ),
    )


def _worker_loop(config: dict[str, Any]) -> str | None:
    """What each Ray Train worker runs; returns why training has diverged, if it has.

    All workers find that out at once. As an error it would be tried again, `train.max_failures`
    times.
    """
    import ray
    import ray.train

    job: Job = ray.get(config["job"])
    context = ray.train.get_context()
    prepare_process(job.settings, max(1, usable_cores() // context.get_local_world_size()))
    try:
        train_and_finish(job, _ray_session(job.run, config["use_gpu"], job.settings.train.shard))
    except DivergedError as error:
        return str(error)
    return None


def _ray_session(run: Path, use_gpu: bool, sharded: bool) -> Session:
    import ray.train
    import ray.train.torch
    from ray.train import Checkpoint, CheckpointUploadMode

    context = ray.train.get_context()
    rank, workers = context.get_world_rank(), context.get_world_size()
    device = ray.train.torch.get_device() if use_gpu else torch.device("cpu")

    def wrap(module: nn.Module) -> nn.Module:
        if workers == 1:
            return module
        if sharded and not isinstance(module, Discriminator):
            shard(module, workers, device)
            return module
        one_machine = context.get_local_world_size() == workers
        return replicated(module, device, one_machine=one_machine)

    def save(name: str, figures: dict[str, float], write: Callable[[Path], None]) -> None:
        if rank > 0:
            ray.train.report(figures)
            return
        write_checkpoint(run / name, write)  # where it stays: nothing has to be copied
        ray.train.report(
            figures,
            checkpoint=Checkpoint.from_directory(run / name),
            checkpoint_dir_name=name,
            checkpoint_upload_mode=CheckpointUploadMode.NO_UPLOAD,
        )

    return Session(
        rank=rank,
        workers=workers,
        device=device,
        wrap=wrap,
        add_up=torch.distributed.all_reduce if workers > 1 else lambda tensor: tensor,
        save=save,
        sharded=sharded and workers > 1,
    )
