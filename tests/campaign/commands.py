"""Commands in processes of their own, which start at once: what they import is there already."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    ["afa_ray.train", "afa_ray.explain", "afa_ray.classifier", "afa_ray.data.user_files",
     "sklearn.linear_model"]
)  # fmt: skip
LONGEST_S, TRIES = 600, 8
MARK = "AFA_CAMPAIGN"  # the environment of every process that a command starts has it
OURS = {"OMP_NUM_THREADS": "1", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}


class Command:
    """`python -m module words…`: started, ended, and what it said.

    Args:
        said: the file that its output is appended to.
        environment: of this command and its children, besides the usual.
        before: called in the process, before the command.

    Attributes:
        seconds: that it took, once it has ended.
    """

    def __init__(
        self,
        module: str,
        words: Sequence[str],
        said: Path,
        environment: Mapping[str, str] | None = None,
        before: Callable[[], object] | None = None,
    ) -> None:
        self.mark = f"{os.getpid()}-{said}"
        given = OURS | {MARK: self.mark} | dict(environment or {})
        self._said, self._started, self.seconds = said, time.monotonic(), 0.0
        arguments = (module, list(words), said, given, before)
        self.process: Any = CONTEXT.Process(target=_main, args=arguments)
        self.process.start()

    def ended(self, seconds: float = LONGEST_S) -> int | None:
        """The exit status, None after so many seconds without one."""
        self.process.join(seconds)
        if self.process.exitcode is not None and not self.seconds:
            self.seconds = time.monotonic() - self._started
        return self.process.exitcode

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def said(self) -> str:
        return self._said.read_text(errors="replace") if self._said.exists() else ""

    def children(self) -> list[psutil.Process]:
        """The processes that the command has started, whoever is their parent now; Ray's workers
        write over their environment, and are known while their parents live."""
        marked = {p for p in psutil.process_iter() if _mark_of(p) == self.mark}
        return [*marked.union(*map(_descendants, marked), _descendants(self.process))]

    def left(self, seconds: float = 60) -> list[str]:
        """The processes that are still there so many seconds after its end; they are ended."""
        deadline = time.monotonic() + seconds
        while (there := self.children()) and time.monotonic() < deadline:
            time.sleep(0.2)
        names = []
        for process in there:
            with contextlib.suppress(psutil.Error):
                names.append(f"process left: {' '.join(process.cmdline())[:100]}")
                process.kill()
        return names


def to_its_end(start: Callable[[], Command]) -> Command:
    """A command that has ended; where Ray was too slow for a busy machine, which is said, the same
    command is given again."""
    for _ in range(TRIES):
        command = start()
        if command.ended() != 2 or "Ray did not start" not in command.said()[-500:]:
            break
    return command


def _mark_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK)
    except psutil.Error:
        return None


def _descendants(process: Any) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        return []


def _main(
    module: str,
    words: list[str],
    said: Path,
    environment: dict[str, str],
    before: Callable[[], object] | None,
) -> None:
    os.environ.update(environment)
    with said.open("a") as file, _output(file):
        tempfile.tempdir = None
        if before is not None:
            before()
        status = importlib.import_module(module).main(words)
    os._exit(status)


@contextlib.contextmanager
def _output(file: Any) -> Any:
    """Both streams of this process and of those that it starts go to the file."""
    for stream in (1, 2):
        os.dup2(file.fileno(), stream)
    with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        yield
