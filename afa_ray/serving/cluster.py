"""The live page on Ray Serve: several processes, each with the models, share the requests."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from afa_ray.errors import UserError, first_line
from afa_ray.training.ray_room import gpus_a_model
from afa_ray.training.ray_run import ray_cluster

NAME = "afa_ray"
REQUESTS = 16  # that a replica has at a time; others wait
WITHOUT_RAY = "serve in one process: leave --serve.replicas out"


@contextmanager
def serving(
    models: Sequence[str],
    device: str | None,
    hosts: Sequence[str],
    replicas: int,
    place: tuple[str, int],
) -> Iterator[None]:
    """The app of `app.make_app` answers at the place (host, port) of the cluster's head node.

    Args:
        hosts: names under which it answers.

    Raises:
        UserError: Ray Serve is not installed, the cluster is too small or serves already, or a
            replica does not start.
    """
    try:
        import ray.serve as ray_serve
    except ImportError as error:
        raise UserError(f"{error.name} is not installed: pip install 'afa_ray[serve]'") from error
    with ray_cluster(WITHOUT_RAY):
        share = gpus_a_model("serve.replicas", replicas, device)
        state = ray_serve.status()
        if state.applications or state.proxies:
            raise UserError(
                f"serve.replicas = {replicas}: this Ray cluster serves something already; take "
                "RAY_ADDRESS=local for a cluster of its own, or end that: serve shutdown"
            )
        for name in ("ray", "ray.serve"):
            logging.getLogger(name).setLevel(logging.ERROR)
        host, port = place
        try:
            ray_serve.start(
                proxy_location="HeadOnly",
                http_options={"host": host, "port": port},
                logging_config={"log_level": "ERROR", "enable_access_log": False},
            )
            app = _app(models, device or ("cuda" if share else "cpu"), hosts, replicas, share)
            ray_serve.run(app, name=NAME, route_prefix="/")
        except RuntimeError as error:
            ray_serve.shutdown()
            raise UserError(
                f"serve.replicas = {replicas}: they did not start ({first_line(error)}); "
                + WITHOUT_RAY
            ) from error
        try:
            yield
        finally:
            ray_serve.shutdown()


def _app(
    models: Sequence[str], device: str, hosts: Sequence[str], replicas: int, gpus: float
) -> Any:
    """The deployment; each replica loads the models for itself."""
    from ray import serve as ray_serve

    def app() -> Any:
        from afa_ray.serving.app import load_all, make_app

        return make_app(load_all(models, device), hosts)

    deployment = ray_serve.deployment(
        name=NAME,
        num_replicas=replicas,
        max_ongoing_requests=REQUESTS,
        ray_actor_options={"num_cpus": 1, "num_gpus": gpus},
    )
    return deployment(ray_serve.ingress(app)()).bind()
