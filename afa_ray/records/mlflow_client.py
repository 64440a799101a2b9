"""Speaking to MLflow through its client alone: no global state, safe in any process."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from afa_ray.records.mlflow_database import advice, make_whole
from afa_ray.redaction import redacted

MANNERS = {  # quick to give up, and silent
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


class UnreachableError(Exception):
    """The tracking server cannot be used; the message is a sentence for the user."""


@contextmanager
def speaking_to(uri: str) -> Iterator[Any]:
    """A client of the store, silent and quick to give up.

    Raises:
        UnreachableError: instead of whatever went wrong within.
    """
    try:
        _be_silent()
        client = _client(uri)
    except Exception as error:
        reason = _reason(error, uri)
        raise UnreachableError(
            f"MLflow could not be reached ({reason}){advice(uri, reason)}"
        ) from error
    try:
        yield client
    except Exception as error:  # requests', sqlalchemy's and MLflow's own
        raise UnreachableError(f"MLflow could not be reached ({_reason(error, uri)})") from error


def _be_silent() -> None:
    """Import MLflow, which sets up its own log, and then turn it off: errors are raised too."""
    for name, value in MANNERS.items():
        os.environ.setdefault(name, value)
    import mlflow.tracking  # noqa: F401

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _reason(error: Exception, uri: str) -> str:
    text = redacted(str(error).strip())
    if text.startswith("API request to") and "failed with exception" in text:
        return f"no answer from {redacted(uri)}"
    return text.splitlines()[0][:200] if text else type(error).__name__


@cache
def _client(uri: str) -> Any:
    from mlflow import MlflowClient

    make_whole(uri)
    return MlflowClient(uri)
