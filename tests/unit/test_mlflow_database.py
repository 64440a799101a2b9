"""A sqlite store is made whole and once; one that others broke is said, with what to do."""

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from afa_ray.records import mlflow_database
from afa_ray.records.mlflow_client import UnreachableError, speaking_to
from afa_ray.records.mlflow_database import make_whole
from afa_ray.records.mlflow_place import sqlite_database, sqlite_uri


def test_many_at_once_make_one_and_each_sees_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, made = tmp_path / "new" / "mlflow.db", []
    alone = threading.Lock()

    def make(uri: str, artifacts: str) -> None:
        assert alone.acquire(blocking=False)
        unfinished = sqlite_database(uri)
        assert unfinished is not None
        unfinished.write_text("half")
        time.sleep(0.2)
        unfinished.write_text("whole")
        made.append(artifacts)
        alone.release()

    def want(_: int) -> str:
        make_whole(sqlite_uri(database))
        return database.read_text()

    monkeypatch.setattr(mlflow_database, "_make", make)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(want, range(8))) == ["whole"] * 8
    assert made == [(tmp_path / "new" / "mlartifacts").as_uri()]
    assert [path.name for path in database.parent.iterdir()] == ["mlflow.db"]


def test_one_that_was_killed_while_making_it_harms_nobody(tmp_path: Path) -> None:
    (tmp_path / ".mlflow.db").write_text("half")
    (tmp_path / "mlflow.db").touch()
    with speaking_to(sqlite_uri(tmp_path / "mlflow.db")) as client:
        assert client.get_experiment_by_name("Default") is not None
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


def half_made(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("create table experiments (experiment_id integer)")
        connection.execute("create table _alembic_tmp_metrics (step integer)")


@pytest.mark.parametrize(
    "break_it", [half_made, lambda file: file.write_bytes(b"no database " * 500)]
)
def test_a_database_that_others_broke(tmp_path: Path, break_it) -> None:
    database = tmp_path / "mlflow.db"
    break_it(database)
    said = f"{database} is no whole database of MLflow: move it away, and a new one is made"
    with pytest.raises(UnreachableError) as broken, speaking_to(sqlite_uri(database)):
        pass
    assert said in str(broken.value)


def test_what_is_elsewhere_is_not_said_to_be_broken(tmp_path: Path) -> None:
    assert mlflow_database.advice("http://127.0.0.1:1", "no answer") == ""
    (tmp_path / "mlflow.db").write_text("x")
    uri = sqlite_uri(tmp_path / "mlflow.db")
    assert mlflow_database.advice(uri, "unable to open database file") == ""
