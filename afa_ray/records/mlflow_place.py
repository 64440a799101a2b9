"""Where figures go: which MLflow store, and which experiment in it.

The settings decide, then MLflow's own environment variables, as for every client of MLflow, then a
database in the storage folder.
"""

from __future__ import annotations

import os
from pathlib import Path

from afa_ray.redaction import redacted

URI, EXPERIMENT, EXPERIMENT_ID = (
    "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID",
)  # fmt: skip
SQLITE = ("sqlite:", "sqlite+")
DEFAULT_EXPERIMENT = "afa_ray"


def place_of_tracking(uri: str | None, run: Path) -> str:
    """A tracking URI that means the same in every process; by default a database beside the run."""
    given = uri or os.environ.get(URI)
    if not given:
        return sqlite_uri(run.parent / "mlflow.db")
    if (database := sqlite_database(given)) is not None:
        return sqlite_uri(database.absolute(), given)
    return given if given.startswith(SQLITE) else given.rstrip("/")


def sqlite_uri(database: Path, like: str = "sqlite://") -> str:
    """The URI of a database, whatever characters are in its path, with the query of `like`.

    Where some have to be quoted, the driver is named, too: of a plain `sqlite:///` MLflow makes the
    parent folder, by the quoted name.
    """
    from sqlalchemy import make_url

    url = make_url(like).set(database=str(database))
    uri = url.render_as_string(hide_password=False)
    if str(database) in uri:
        return uri
    return url.set(drivername="sqlite+pysqlite").render_as_string(hide_password=False)


def sqlite_database(uri: str) -> Path | None:
    """The file of a sqlite URI; None for other URIs, and for a database without a plain file."""
    from sqlalchemy import make_url

    if not uri.startswith(SQLITE):
        return None
    database = make_url(uri).database
    plain = database and database != ":memory:" and not database.startswith("file:")
    return Path(database) if database and plain else None


def experiment_name(name: str | None) -> str:
    """The experiment that a run is filed under, unless `experiment_id` says which."""
    return name or os.environ.get(EXPERIMENT) or DEFAULT_EXPERIMENT


def experiment_id(name: str | None) -> str | None:
    """The experiment's number where the environment gives that, and nobody gives a name."""
    return None if name or os.environ.get(EXPERIMENT) else os.environ.get(EXPERIMENT_ID) or None


def from_environment(uri: str | None, experiment: str | None) -> str:
    """What the environment decides, in a line for the user; empty where it decides nothing."""
    used: tuple[str, ...] = () if uri else (URI,)
    used += () if experiment else (EXPERIMENT,)
    used += (EXPERIMENT_ID,) if experiment_id(experiment) else ()
    given = [f"{name} {redacted(os.environ[name])}" for name in used if os.environ.get(name)]
    return ", ".join(given)
