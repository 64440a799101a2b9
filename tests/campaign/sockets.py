"""Sockets that a command's processes listen at, all the while: only this machine may reach them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import psutil

from afa_ray.data.tickets import write_tickets
from tests.campaign.commands import Command, to_its_end
from tests.campaign.crashes import asked
from tests.campaign.places import Place
from tests.campaign.ray_crashes import ray_folder
from tests.campaign.rules import Outcome
from tests.conftest import free_port
from tests.unit.test_classifier import save_single_layer

EVERY_S = 0.05


def listened(command: Command) -> Iterator[str]:
    """The addresses at which the command's processes listen now, as /proc/net/tcp and tcp6 have
    them."""
    with contextlib.suppress(psutil.Error):
        own = psutil.Process(command.process.pid)
        for process in (own, *command.children()):
            with contextlib.suppress(psutil.Error):
                for socket in process.net_connections("tcp"):
                    if socket.status == psutil.CONN_LISTEN:
                        yield socket.laddr.ip


def watch(
    name: str, start: Callable[[], Command], outcome: Outcome, least: int, port: int = 0
) -> None:
    """Look at a command to its end, or until the page at the port has answered."""
    found: set[str] = set()
    most = 0

    def watched() -> Command:
        nonlocal found, most
        command = start()
        while command.ended(EVERY_S) is None:
            there = list(listened(command))
            found, most = found | set(there), max(most, len(there))
            if port and asked(port) is not None:
                command.kill()
        return command

    command = to_its_end(watched)
    foreign = [a for a in found if not ip_address(a.removeprefix("::ffff:")).is_loopback]
    wrong = [f"{name} listens at {foreign}"] * bool(foreign)
    wrong += [f"{name}: {command.said()[-800:]}"] * (command.ended() not in (0, -9))
    wrong += [f"{name} has only {most} sockets"] * (most < least)
    outcome.broken += wrong
    outcome.figures[name] = most
    outcome.done += not wrong
    outcome.broken += command.left()


def sockets(folder: Path, seed: int) -> Outcome:
    """Each command, once; `figures` are the most sockets that it listened at."""
    outcome = Outcome("sockets", seed)
    folder.mkdir(parents=True, exist_ok=True)
    model, texts, port = save_single_layer(folder / "model"), folder / "texts.csv", free_port()
    write_tickets(texts, rows=200, seed=0)
    explain = [model, "--file", str(texts), "--text_column", "message", "--out",
               str(folder / "rows.csv")]  # fmt: skip
    said = folder / "said.txt"
    watch("train", lambda: Place(folder).start("alone"), outcome, 0)
    watch("explain", lambda: Command("afa_ray.explain", explain, said), outcome, 0)
    serve = [model, "--port", str(port)]
    watch("serve", lambda: Command("afa_ray.serve", serve, said), outcome, 1, port)
    for address in ("local", ""):
        _with_ray(folder, address, outcome)
    return outcome


def _with_ray(folder: Path, address: str, outcome: Outcome) -> None:
    with ray_folder(address) as environment:
        place = Place(folder, values={"train.num_workers": 2}, environment=environment)
        kind = f" (RAY_ADDRESS={address})"
        watch(f"train with Ray{kind}", lambda: place.start(f"two{address}"), outcome, 4)
        words = [w for w in place.words(f"search{address}") if "num_workers" not in w]
        words += ["--search.samples=2", "--search.final_seeds=2"]
        said = folder / f"search{address}.txt"
        watch(
            f"tune.search{kind}",
            lambda: Command("tune.search", words, said, environment),
            outcome,
            4,
        )
