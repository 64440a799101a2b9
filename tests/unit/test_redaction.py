"""Passwords: refused in settings, hidden in what is shown, remembered and uploaded."""

import json
from pathlib import Path
from typing import Any

import pytest

from afa_ray import track as track_module
from afa_ray.config import Settings
from afa_ray.dotted import override
from afa_ray.errors import UserError
from afa_ray.records.mlflow_opening import _remember, _remembered_run, upload_hint
from afa_ray.records.mlflow_run import MlflowRun, _without_secrets
from afa_ray.records.run_folder import placed
from afa_ray.redaction import login_fault, redacted
from afa_ray.train import main

SECRETS = [
    "http://ann:hunter2@127.0.0.1:9/x", "https://hunter2@host", "HTTPS://ann:hun@ter2@host",
    "postgresql+psycopg2://ann:hunter2@db/x", "http://ann:p/hunter2?#@host",
    "postgresql://db/x?user=ann&password=hunter2", "http://host?api_token=hunter2",
]  # fmt: skip
PLAIN = [
    "http://127.0.0.1:5000", "sqlite:////data/me@home/mlflow.db", "file:///a@b", "databricks",
    "sqlite:///C:/x.db?timeout=20",
]  # fmt: skip


@pytest.mark.parametrize("uri", SECRETS)
def test_hidden_wherever_they_stand(uri: str) -> None:
    for text in (
        uri,
        f"no answer from {uri}, said 'x'",
        json.dumps({"mlflow.uri": uri, "b": "c@d"}),
    ):
        assert "ter2" not in redacted(text)
        assert "hun" not in redacted(text)
    assert json.loads(redacted(json.dumps({"mlflow.uri": uri, "b": "c@d"})))["b"] == "c@d"


@pytest.mark.parametrize("uri", PLAIN)
def test_what_is_no_secret_stays(uri: str) -> None:
    assert redacted(f"see {uri}, please") == f"see {uri}, please"
    assert login_fault("mlflow.uri", uri) == ""


@pytest.mark.parametrize("uri", [*SECRETS, "http://ann:hunt'er2 @host"])
def test_refused_in_settings_and_nothing_is_written(
    uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--run.storage", str(tmp_path / "runs"), "--mlflow.uri", uri]) == 2
    assert track_module.main([str(tmp_path), "--mlflow.uri", uri]) == 2
    output = capsys.readouterr()
    assert "hun" not in output.out + output.err
    assert "ter2" not in output.out + output.err
    wanted = "MLFLOW_TRACKING_PASSWORD" if uri.lower().startswith("http") else "MLFLOW_TRACKING_URI"
    assert output.err.count(wanted) == 2
    with pytest.raises(UserError, match="holds a password"):
        placed(override(Settings(), {"mlflow.uri": uri}), "x")
    assert not list(tmp_path.iterdir())


def test_other_options_do_not_repeat_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--mlflow.url", SECRETS[0]]) == 2
    assert "hunter2" not in capsys.readouterr().err


class Client:
    """Knows one run."""

    def get_run(self, run_id: str) -> Any:
        from types import SimpleNamespace

        return SimpleNamespace(info=SimpleNamespace(run_id=run_id, lifecycle_stage="active"))


def test_one_of_the_environment_is_neither_remembered_nor_shown(tmp_path: Path) -> None:
    run = MlflowRun(SECRETS[0], "1", "abc")
    _remember(tmp_path, run)
    assert "hunter2" not in (tmp_path / "mlflow.json").read_text()
    assert _remembered_run(Client(), tmp_path, SECRETS[0]).run_id == "abc"
    assert "hunter2" not in run.page() + upload_hint(tmp_path, run.uri)
    assert "--mlflow.uri" not in upload_hint(tmp_path, run.uri)


def test_what_earlier_versions_wrote_is_uploaded_without(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"mlflow:\n  uri: {SECRETS[0]}\nafa:\n  k: 3\n")
    with _without_secrets(config) as shown:
        assert shown.name == "config.yaml"
        assert shown.read_text() == "mlflow:\n  uri: http://…@127.0.0.1:9/x\nafa:\n  k: 3\n"
    assert "hunter2" in config.read_text()
