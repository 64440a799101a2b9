"""A cluster of a command's own asks for no token, so it listens on loopback alone, however it was
asked for."""

import os
import subprocess
import sys

import pytest

from afa_ray.errors import UserError
from afa_ray.training.ray_run import ray_cluster

pytestmark = pytest.mark.ray

LISTENING = """
import psutil
from afa_ray.training.ray_run import ray_cluster

with ray_cluster(dashboard=DASHBOARD):
    import ray

    ray.get(ray.remote(lambda: 1).remote())
    own = psutil.Process()
    for process in (own, *own.children(recursive=True)):
        for socket in process.net_connections("inet"):
            if socket.status == "LISTEN":
                print(socket.laddr.ip)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "first"), [("local", "DASHBOARD = False"), (None, "import ray; DASHBOARD = None")]
)
def test_sockets(address: str | None, first: str) -> None:
    """Whether Ray was imported before, by whoever uses this package, or is by it; as training has
    it, without a dashboard, and as studies have it."""
    environment = {name: value for name, value in os.environ.items() if name[:4] != "RAY_"}
    environment |= {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",
        "RAY_TMPDIR": os.environ["RAY_TMPDIR"],
        "RAY_enable_worker_prestart": "0",
    }
    if address:
        environment["RAY_ADDRESS"] = address
    done = subprocess.run(
        [sys.executable, "-c", first + LISTENING], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert len(done.stdout.split()) > 5


@pytest.mark.parametrize(
    "error",
    [Exception("The current node timed out during startup. This could happen because …"),
     TimeoutError("gone"), RuntimeError("Failed to start the raylet\nand more")],
)  # fmt: skip
def test_a_ray_that_does_not_start(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**_: object) -> None:
        raise error

    monkeypatch.setenv("RAY_ADDRESS", "local")
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", init)
    said = str(error).splitlines()[0]
    with pytest.raises(UserError, match=r"train\.num_workers 0") as refused, ray_cluster():
        pass
    assert f"({said})" in str(refused.value)
