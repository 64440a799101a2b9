"""`python -m afa_ray.serve`: a live page of one or several classifiers: type, see, delete, compare.

One process, on this machine alone unless told otherwise; /docs describes its JSON interface.
"""

from __future__ import annotations

import argparse
import socket
import sys
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

        from afa_ray.service import LOOPBACK, make_app
    except ImportError as error:
        raise UserError(f"{error.name} is not installed: pip install 'afa_ray[serve]'") from error
    from afa_ray.classifier import load

    listener = _listen(options.host, options.port)
    with listener:
        classifiers = [load(model, device=options.device) for model in options.models]
        for classifier in classifiers:
            classifier.explain(["a first text takes longer"])
        open_to_all = options.host in EVERYWHERE
        hosts = ["*"] if open_to_all else [*LOOPBACK, options.host]
        port = listener.getsockname()[1]
        shown = f"[{options.host}]" if ":" in options.host else options.host
        print(f"ready: http://{shown}:{port}/   (interface: /docs, end: Ctrl+C)", flush=True)
        if options.host not in ("127.0.0.1", "localhost", "::1"):
            print("note: others can reach this address; nobody is asked for a name or password")
        server = uvicorn.Server(
            uvicorn.Config(make_app(classifiers, hosts), log_level="warning", server_header=False)
        )
        server.run(sockets=[listener])


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
        usage="%(prog)s MODEL [MODEL ...] [--port PORT] [--host HOST] [--device DEVICE]",
        description="A live page of text classifiers: type a text, see what they look at, delete "
        "words, compare models.",
        allow_abbrev=False,
    )
    option = parser.add_argument
    option("models", metavar="MODEL", nargs="*", help="folder of a run or a model, or an id on the "
           "Hugging Face hub")  # fmt: skip
    option("--port", type=int, default=8000, help="where to listen, 0 for any free (default: 8000)")
    option("--host", default="127.0.0.1", help="by default this machine alone can reach it")
    option("--device", help="as PyTorch names it; by default a GPU where there is one")
    given = parser.read(arguments)
    faults = []
    if not 1 <= len(given.models) <= 4:
        faults.append(f"one to four models must be given, not {len(given.models)}: MODEL [MODEL …]")
    if not 0 <= given.port < 2**16:
        faults.append(f"port = {given.port}: must be between 0 and 65535")
    if faults:
        raise UserError("\n".join(faults))
    return given


if __name__ == "__main__":
    sys.exit(main())
