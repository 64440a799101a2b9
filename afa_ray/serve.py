"""`python -m afa_ray.serve`: a live page of one or several classifiers: type, see, delete, compare.

One process, on this machine alone unless told otherwise, or with `--serve.replicas` several of them
by Ray Serve; /docs describes its JSON interface.
"""

from __future__ import annotations

import argparse
import signal
import socket
import sys
import threading
from collections.abc import Sequence

from afa_ray.arguments import Parser
from afa_ray.command_line import answer
from afa_ray.errors import UserError

EVERYWHERE = ("0.0.0.0", "::")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0, or 2 after a mistake of the user's."""
    given = sys.argv[1:] if arguments is None else arguments
    return answer("afa_ray.serve", lambda: serve(parse(given)))


def serve(options: argparse.Namespace) -> None:
    """Answer until interrupted.

    Raises:
        UserError: no such model, a place that is taken, or packages that are not installed.
    """
    try:
        import uvicorn

        from afa_ray.serving.app import LOOPBACK, load_all, make_app
    except ImportError as error:
        raise UserError(f"{error.name} is not installed: pip install 'afa_ray[serve]'") from error

    hosts = ["*"] if options.host in EVERYWHERE else [*LOOPBACK, options.host]
    with _listen(options.host, options.port) as listener:
        port = listener.getsockname()[1]
        if options.replicas:
            listener.close()  # Ray Serve listens there itself
            _replicas(options, hosts, port)
            return
        classifiers = load_all(options.models, options.device)
        _say_ready(options.host, port)
        server = uvicorn.Server(
            uvicorn.Config(make_app(classifiers, hosts), log_level="warning", server_header=False)
        )
        server.run(sockets=[listener])


def _replicas(options: argparse.Namespace, hosts: Sequence[str], port: int) -> None:
    from afa_ray.classifier.opening import everywhere
    from afa_ray.serving.app import load_all
    from afa_ray.serving.cluster import serving

    load_all(options.models, "cpu")  # what is wrong with a model is said before Ray starts
    models, place = [everywhere(model) for model in options.models], (options.host, port)
    with serving(models, options.device, hosts, options.replicas, place):
        _say_ready(options.host, port)
        _until_ended()


def _say_ready(host: str, port: int) -> None:
    shown = f"[{host}]" if ":" in host else host
    print(f"ready: http://{shown}:{port}/   (interface: /docs, end: Ctrl+C)", flush=True)
    if host not in ("127.0.0.1", "localhost", "::1"):
        print("note: others can reach this address; nobody is asked for a name or password")


def _until_ended() -> None:
    """Wait for Ctrl+C, or to be told to end."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    while not ended.wait(1):
        pass


def _listen(host: str, port: int) -> socket.socket:
    """A socket at the place, before models are loaded.

    Raises:
        UserError: it is taken, or none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(
            f"port = {port}: cannot listen at {host}:{port} ({reason}); give another --port, 0 for "
            "any that is free"
        ) from error
    return listener


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options.

    Raises:
        UserError: with one line for everything that is not understood.
        SystemExit: 0 after `--help`.
    """
    parser = Parser(
        prog="python -m afa_ray.serve",
        usage="%(prog)s MODEL [MODEL ...] [--port PORT] [--host HOST] [--device DEVICE] "
        "[--serve.replicas N]",
        description="A live page of text classifiers: type a text, see what they look at, delete "
        "words, compare models.",
    )
    option = parser.add_argument
    option("models", metavar="MODEL", nargs="*", help="folder of a run or a model, or an id on the "
           "Hugging Face hub")  # fmt: skip
    option("--port", type=int, default=8000, help="where to listen, 0 for any free (default: 8000)")
    option("--host", default="127.0.0.1", help="by default this machine alone can reach it")
    option("--device", help="as PyTorch names it; by default a GPU where there is one")
    option("--serve.replicas", dest="replicas", metavar="N", type=int, default=0, help="processes "
           "that share the requests, by Ray Serve (default: 0: without Ray)")  # fmt: skip
    given, faults = parser.read(arguments)
    if not faults and not 1 <= len(given.models) <= 4:
        faults.append(f"one to four models must be given, not {len(given.models)}: MODEL [MODEL …]")
    if given.replicas < 0:
        faults.append(f"serve.replicas = {given.replicas}: must be at least 0")
    if not 0 <= given.port < 2**16:
        faults.append(f"port = {given.port}: must be between 0 and 65535")
    if faults:
        raise UserError("\n".join(faults))
    return given


if __name__ == "__main__":
    sys.exit(main())
