"""Whether the Ray cluster to connect to answers: Ray itself would wait for a quarter of an hour."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from afa_ray.errors import UserError

CONNECT_S, ANSWER_S = 5, 10  # seconds for a connection, and for an answer in Ray's protocol
ADVICE = "start it, correct the address, or set RAY_ADDRESS=local for a cluster of this run's own"


def require_cluster() -> None:
    """That of `RAY_ADDRESS`, else of the last `ray start` on this machine, answers; none is fine,
    too, and so is one that this process is connected to.

    Raises:
        UserError: there is an address, and no cluster that answers there.
    """
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        return
    address, origin = os.environ.get("RAY_ADDRESS", ""), "RAY_ADDRESS"
    if address in ("", "auto"):
        started = _last_start()
        if not started.is_file():
            return
        address, origin = started.read_text(encoding="utf-8").strip(), str(started)
    if address == "local":
        return
    scheme, _, rest = address.rpartition("://")
    if scheme not in ("", "ray"):
        raise UserError(
            f"RAY_ADDRESS = {address}: {scheme}:// is for ray job submit; training takes HOST:6379 "
            f"or ray://HOST:10001, or RAY_ADDRESS=local for a cluster of its own"
        )
    try:
        host, port = urlsplit(f"//{rest}").hostname, urlsplit(f"//{rest}").port
    except ValueError:
        host, port = None, None
    if not host or not port:
        raise UserError(f"{origin} = {address}: must be HOST:PORT, such as 10.0.0.1:6379; {ADVICE}")
    if reason := _no_answer(host, port):
        raise UserError(f"{origin} = {address}: no Ray cluster answers there ({reason}); {ADVICE}")


def starts_one() -> bool:
    """Whether Ray is to start a cluster of this command's own."""
    address = os.environ.get("RAY_ADDRESS", "")
    return address == "local" or (address == "" and not _last_start().is_file())


def _last_start() -> Path:
    """Where `ray start` leaves the address of its cluster."""
    folder = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    folder = tempfile.gettempdir() if os.name == "nt" else folder
    return Path(folder) / "ray" / "ray_current_cluster"


def _no_answer(host: str, port: int) -> str:
    """Why nobody who speaks gRPC, as Ray does, answers; empty where somebody does."""
    try:
        socket.create_connection((host, port), CONNECT_S).close()
    except OSError as error:
        return str(error)
    if os.environ.get("RAY_USE_TLS", "0") != "0" or find_spec("grpc") is None:
        return ""
    import grpc

    shown = f"[{host}]" if ":" in host else host
    with grpc.insecure_channel(f"{shown}:{port}", [("grpc.enable_http_proxy", 0)]) as channel:
        try:
            grpc.channel_ready_future(channel).result(ANSWER_S)
        except grpc.FutureTimeoutError:
            return f"something listens, and is silent for {ANSWER_S} s"
    return ""
