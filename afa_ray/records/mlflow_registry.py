"""The model registry: a run's model becomes a version of a registered model."""

from __future__ import annotations

from importlib.util import find_spec

from afa_ray.errors import UserError
from afa_ray.records.mlflow_client import UnreachableError, speaking_to
from afa_ray.records.mlflow_run import MlflowRun
from afa_ray.redaction import redacted

MODEL = "model"  # the run's artifact


def require_registry(uri: str, name: str) -> None:
    """Find out before training that models can be registered at a server.

    Raises:
        UserError: they cannot.
    """
    if find_spec("mlflow") is None:
        raise UserError(f"mlflow.register = {name}: mlflow is not installed: pip install mlflow")
    try:
        with speaking_to(uri) as client:
            client.search_registered_models(max_results=1)
    except UnreachableError as problem:
        raise UserError(
            f"mlflow.register = {name}: {redacted(uri)} registers no models: {problem}; give "
            "mlflow.uri of a server or database that does, or leave mlflow.register out"
        ) from None


def register_model(run: MlflowRun, name: str) -> str:
    """Make the run's model a version of the registered model `name`, unless it is; returns which.

    Raises:
        UnreachableError: the server does not do as asked.
    """
    from mlflow.exceptions import MlflowException

    with speaking_to(run.uri) as client:
        for known in client.search_model_versions(f"run_id = '{run.run_id}'"):
            if known.name == name:
                return str(known.version)
        try:
            client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        source = f"{client.get_run(run.run_id).info.artifact_uri}/{MODEL}"
        return str(client.create_model_version(name, source, run.run_id).version)
