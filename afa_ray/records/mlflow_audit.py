"""What an audit found, in the run at MLflow that its training run has."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from afa_ray.config import Settings
from afa_ray.records.mlflow_client import UnreachableError
from afa_ray.records.mlflow_opening import RUN_FILE, remembered
from afa_ray.records.mlflow_place import place_of_tracking


def track_audit(
    run: Path, settings: Settings, figures: Mapping[str, float], files: Iterable[Path]
) -> None:
    """Log figures as `audit/NAME`, and files in a folder `audit`. A server that is away is said,
    and nothing else: the audit is in its folder.

    Args:
        settings: the run's; files: all in one folder.
    """
    if settings.mlflow.uri == "none" or not (run / RUN_FILE).exists():
        return
    try:
        logged = remembered(run, place_of_tracking(settings.mlflow.uri, run.absolute()))
        if logged is not None:
            logged.log_changed({f"audit/{name}": value for name, value in figures.items()}, 0)
            logged.log_to("audit", files)
    except UnreachableError as problem:
        print(f"{problem}: the audit is in its folder alone", file=sys.stderr)
