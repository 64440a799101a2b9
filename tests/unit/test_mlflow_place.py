"""Which MLflow store and experiment a run goes to, and what is told there."""

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

from afa_ray import train as train_module
from afa_ray.config import Settings
from afa_ray.dotted import override
from afa_ray.metrics import flat_figures
from afa_ray.records.mlflow_about import method_of, tags_of
from afa_ray.records.mlflow_place import place_of_tracking, sqlite_database
from afa_ray.track import main as track
from afa_ray.train import main
from tune.tables import MEASURES, figure_name

pytestmark = pytest.mark.usefixtures("fewer_texts")

URI, EXPERIMENT = "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"


@pytest.fixture
def run(
    on_small_corpus: None,
    tiny_settings: Callable[..., Settings],
) -> Callable[..., Path]:
    """Trains one epoch with MLflow on; returns the folder."""

    def start(storage: Path, **values: object) -> Path:
        own = {"train.epochs": 1, "run.storage": str(storage), "run.name": "one"}
        given = {name.replace("__", "."): value for name, value in values.items()}
        settings = tiny_settings({"mlflow.uri": None, **own, **given})
        train_module.train(settings)
        return storage / "one"

    return start


def logged(uri: str, experiment: str) -> list:
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    return client.search_runs([client.get_experiment_by_name(experiment).experiment_id])


def test_settings_come_before_the_environment_and_that_before_the_storage(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = tmp_path / "runs" / "a"
    assert place_of_tracking(None, run) == f"sqlite:///{tmp_path}/runs/mlflow.db"
    monkeypatch.setenv(URI, "http://host:5000/")
    assert place_of_tracking(None, run) == "http://host:5000"
    assert place_of_tracking("databricks://me", run) == "databricks://me"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(URI, "sqlite:///own.db?timeout=5")
    assert place_of_tracking(None, run) == f"sqlite:///{tmp_path}/own.db?timeout=5"
    monkeypatch.setenv(URI, "")
    assert place_of_tracking(None, run) == f"sqlite:///{tmp_path}/runs/mlflow.db"


@pytest.mark.parametrize(
    "name",
    ["a?b", "a?x=1", "a#b", "a%b", "a%20b", "a%3Fb", "a b", "中文", "a&b;c", "a'b\"c", "a\\b"],
)
def test_a_uri_means_its_file_whatever_its_name(name: str, tmp_path: Path) -> None:
    """Judged by SQLAlchemy, which opens it for MLflow."""
    from sqlalchemy import make_url

    uri = place_of_tracking(None, tmp_path / name / "run")
    assert make_url(uri).database == str(tmp_path / name / "mlflow.db")
    assert sqlite_database(uri) == tmp_path / name / "mlflow.db"
    assert place_of_tracking(uri, tmp_path / "other" / "run") == uri


def test_the_environment_is_used_and_said(
    run: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """With what the run is there: tags, data sets, and the database of a storage path like no
    other."""
    database = tmp_path / "what? 50%20 #1 中" / "own.db"
    database.parent.mkdir()
    uri = place_of_tracking(None, database.parent / "x").replace("mlflow.db", "own.db")
    monkeypatch.setenv(URI, uri)
    monkeypatch.setenv(EXPERIMENT, "from outside")
    folder = run(tmp_path / "runs", mlflow__register="texts")
    assert {file.name for file in (tmp_path / "runs").iterdir()} == {"one"}
    output = capsys.readouterr().out
    assert f"mlflow  {URI} {uri}, {EXPERIMENT} from outside" in output
    assert "registered: models:/texts/1" in output
    assert {file.name for file in database.parent.iterdir()} == {"own.db", "mlartifacts"}
    assert {file.name for file in tmp_path.iterdir()} == {"runs", database.parent.name}

    (found,) = logged(uri, "from outside")
    tags = {name: found.data.tags[name] for name in ("method", "seed", "version")}
    assert tags == {"method": "original", "seed": "0", "version": train_module.__version__}
    prints = json.loads((folder / "fingerprints.json").read_text())["corpus"]
    inputs = {i.tags[0].value: i.dataset for i in found.inputs.dataset_inputs}
    assert {c: json.loads(d.profile)["num_rows"] for c, d in inputs.items()} == {
        "training": 150, "validation": 40, "test": 60
    }  # fmt: skip
    assert inputs["test"].digest == prints["test"]["sha256"][:36]
    assert {dataset.name for dataset in inputs.values()} == {"reviews"}

    from mlflow import MlflowClient

    (version,) = MlflowClient(uri).search_model_versions("name = 'texts'")
    model = Path(unquote(urlparse(version.source).path))
    weights = (folder / "model" / "model.safetensors").read_bytes()
    assert (model / "model.safetensors").read_bytes() == weights
    assert version.run_id == found.info.run_id
    run(tmp_path / "runs", mlflow__register="texts")  # complete: not registered again
    assert "registered: models:/texts/1" in capsys.readouterr().out
    run(tmp_path / "runs", mlflow__register="others")
    assert "registered: models:/others/1" in capsys.readouterr().out
    assert track([str(folder)]) == 0
    assert "was tracked completely" in capsys.readouterr().out
    assert len(logged(uri, "from outside")[0].inputs.dataset_inputs) == 3


def test_where_no_model_can_be_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    given = ["--run.storage", str(tmp_path / "runs"), "--train.num_workers", "0",
             "--data.name", "mock-1", "--target.word2vec", "false"]  # fmt: skip
    assert main([*given, "--mlflow.register", "a/b"]) == 2
    assert "mlflow.register = a/b: must be a name without / and :" in capsys.readouterr().err
    assert main([*given, "--mlflow.register", "a", "--mlflow.uri", "none"]) == 2
    assert "mlflow.uri = none switches MLflow off" in capsys.readouterr().err
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = "http://127.0.0.1:9"
    assert main([*given, "--mlflow.register", "a", "--mlflow.uri", away]) == 2
    message = capsys.readouterr().err
    assert f"mlflow.register = a: {away} registers no models: MLflow could not be" in message
    assert not (tmp_path / "runs").exists()


def test_parents_call_figures_as_runs_do() -> None:
    measures = {"accuracy": 0.5, "macro_precision": 0.5, "macro_recall": 0.5, "macro_f1": 0.5}
    areas = {"area_by_attention": 0.1, "area_random": 0.2, "normalized_area": 0.5}
    result = {
        "test": measures,
        "deletion_curve": areas,
        "faithfulness": {"comprehensiveness": 0.1, "sufficiency": 0.2},
        "agreement": {"auroc": 0.6, "average_precision": 0.7},
        "robustness": {"random_deletion": 0.8, "typos": 0.7},
        "training": {"seconds": 3.0},
    }
    assert {figure_name(measure) for measure in MEASURES} <= flat_figures(result).keys()
    assert figure_name("macro F1") == "test/macro_f1"
    assert figure_name("training seconds") == "time/train_s"


def test_the_method_of_settings(tmp_path: Path) -> None:
    from afa_ray.dotted import flatten

    def method(**values: object) -> str:
        given = {name.replace("__", "."): value for name, value in values.items()}
        return method_of(flatten(override(Settings(), given)))

    assert method() == "contrast"
    assert method(discriminator__pairing="original") == "original"
    assert method(afa__lambda_adv=0.0) == "plain"
    assert method(afa__epsilon=1.0) == "random"
    own = {"discriminator__judge": "target", "discriminator__pairing": "contrast"}
    assert method(**own) == "contrast, judged by the target"
    for judge, said in (("twin", "a twin"), ("average", "its average")):
        assert method(**own | {"discriminator__judge": judge}) == f"contrast, judged by {said}"
    told = {"supervision__method": "as-tfidf"}
    assert method(afa__lambda_adv=0.0, **told) == "as-tfidf"
    assert method(**told) == "contrast + as-tfidf"
    assert "method" not in tags_of({"compare.seeds": 5, **flatten(Settings())}, tmp_path)
