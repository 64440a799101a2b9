"""One run, one process: who works in a run's folder holds a lock there.

`.lock` says who it is, and is locked by the operating system (flock), which lets go of it with the
process, however that ends. Network file systems pass such locks on between hosts (NFS does); where
one does not, that is said. A `.lock` that nobody holds is that of a process which did not end
properly.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from afa_ray.errors import UserError

LOCK = ".lock"


@contextmanager
def own_folder(run: Path, *, fresh: bool = False, setting: str = "run.name") -> Iterator[Path]:
    """Be the only process in a run's folder, which is made, and removed if nothing was put in it.

    Args:
        fresh: where the folder is there already, take `<name>-2`, ... instead. Of two processes
            that ask for the same name at once each gets its own.
        setting: that names the folder, for messages.

    Raises:
        UserError: another process works there; who, and since when. Or it cannot be made.
    """
    made = [folder for folder in (run.parent, *run.parent.parents) if not folder.exists()]
    try:
        run.parent.mkdir(parents=True, exist_ok=True)
        run = _new_folder(run) if fresh else run
        lock = _acquire(run, setting)
    except OSError as error:
        raise UserError(
            f"{setting} = {run}: cannot be made ({error.strerror}); give another"
        ) from error
    try:
        _sign(lock)
        yield run
    finally:
        (run / LOCK).unlink(missing_ok=True)
        os.close(lock)
        for folder in (run, *made):
            with suppress(OSError):  # not empty, or gone
                folder.rmdir()


def _new_folder(run: Path) -> Path:
    number, free = 1, run
    while True:
        try:
            free.mkdir()
            return free
        except FileExistsError:
            number += 1
            free = run.with_name(f"{run.name}-{number}")


def _acquire(run: Path, setting: str) -> int:
    """The open and locked `.lock` of a folder; who left it there is said."""
    run.mkdir(exist_ok=True)
    try:
        lock = os.open(run / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UserError(
            f"{run / LOCK}: cannot be written ({error.strerror}); whose run is it?"
        ) from None
    try:
        _flock(lock)
    except BlockingIOError:
        owner = _described(_read(lock))
        os.close(lock)
        raise UserError(
            f"{setting} = {run.name}: {owner} works in {run}; wait until it has ended, or give "
            f"another {setting}"
        ) from None
    except (OSError, ImportError) as error:
        print(
            f"  note    {run} cannot be locked ({error}): see to it that no other command uses it",
            flush=True,
        )
    if os.fstat(lock).st_nlink == 0:  # its last owner has removed it meanwhile
        os.close(lock)
        return _acquire(run, setting)
    left = _read(lock)
    if left:
        print(f"  note    {_described(left)} did not end properly: taking over {run}", flush=True)
    return lock


def _sign(lock: int) -> None:
    """Write down who has it."""
    own = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}
    os.truncate(lock, 0)
    os.pwrite(lock, json.dumps(own).encode(), 0)


def _flock(lock: int) -> None:
    """Raises BlockingIOError where another process has it, other errors where nobody can."""
    import fcntl  # not on Windows

    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _read(lock: int) -> dict[str, Any]:
    """`{"pid", "host", "since"}` of who has the lock or left it; empty where nobody is known."""
    try:
        owner = json.loads(os.pread(lock, 4096, 0))
        return owner if owner.keys() >= {"pid", "host", "since"} else {}
    except (OSError, ValueError, AttributeError):
        return {}


def _described(owner: dict[str, Any]) -> str:
    if not owner:
        return "another process"
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(owner["since"]))
    return f"process {owner['pid']} on {owner['host']} (since {since})"
