"""A sqlite file as MLflow's store: made whole, once, however many processes want it first.

MLflow makes its tables one by one, where it finds them missing: two processes that do so at once,
or one that is killed meanwhile, leave a database that nobody can open any more.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from afa_ray.records.mlflow_place import sqlite_database, sqlite_uri

ELSEWHERE = ("unable to open", "readonly", "locked", "out-of-date", "disk is full")  # not broken


def make_whole(uri: str) -> None:
    """Have the database of a sqlite URI there; of other URIs nothing is done.

    It is made beside its place, by the one process that has the folder locked, and moved there.
    """
    database = sqlite_database(uri)
    if database is None or _is_there(database):
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with _locked(database.parent):
        if not _is_there(database):
            unfinished = database.with_name(f".{database.name}")
            unfinished.unlink(missing_ok=True)
            _make(sqlite_uri(unfinished, uri), (database.parent / "mlartifacts").as_uri())
            unfinished.replace(database)


def advice(uri: str, reason: str) -> str:
    """What to do about a store that cannot be opened; empty where it is no sqlite file, or where
    the reason says that already."""
    database = sqlite_database(uri)
    if database is None or not database.is_file() or any(word in reason for word in ELSEWHERE):
        return ""
    return f"; {database} is no whole database of MLflow: move it away, and a new one is made"


def _is_there(database: Path) -> bool:
    return database.exists() and database.stat().st_size > 0


def _make(uri: str, artifacts: str) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(uri, artifacts).engine.dispose()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Wait until no other process has the folder locked, and lock it; leaves nothing there."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError, ImportError):  # some network folders cannot be locked
            import fcntl  # not on Windows

            fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)
