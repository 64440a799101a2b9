"""Clusters, as far as they can be tested without one: files, places and refusals."""

import shutil
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import yaml

from afa_ray.errors import UserError
from afa_ray.records.run_folder import absolute_storage
from afa_ray.training.ray_run import ray_cluster

ROOT = Path(__file__).parents[2]
GOES = [
    "afa_ray/train.py",
    "afa_ray/data/corpus.py",
    "afa_ray/configs/tiny-cpu.yaml",
    "envs/masking.py",
    "tune/search.py",
]
STAYS = [
    ".git/HEAD",
    ".venv/bin/python",
    ".mypy_cache/3.11/cache.json",
    "afa_ray/__pycache__/train.pyc",
    "afa_ray.egg-info/PKG-INFO",
    "data/sst2/train.parquet",
    "docs/deletion_curves.png",
    "mlartifacts/1/model.safetensors",
    "mlflow.db",
    "results/search/trials.csv",
    "runs/first/result.json",
]


def packed(folder: Path, archive: Path, include_gitignore: bool) -> set[str]:
    """The files that `ray job submit --working-dir folder` uploads."""
    from ray._private.ray_constants import get_runtime_env_default_excludes
    from ray._private.runtime_env.packaging import create_package

    excludes = get_runtime_env_default_excludes()
    create_package(str(folder), archive, include_gitignore, excludes=excludes)
    return {name for name in ZipFile(archive).namelist() if not name.endswith("/")}


@pytest.mark.parametrize("include_gitignore", [True, False])
def test_what_a_job_leaves_behind(tmp_path: Path, include_gitignore: bool) -> None:
    folder = tmp_path / "checkout"
    for name in GOES + STAYS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    for name in (".gitignore", ".rayignore"):
        shutil.copy(ROOT / name, folder)
    files = packed(folder, tmp_path / "upload.zip", include_gitignore)
    assert files - {".gitignore", ".rayignore"} == set(GOES)


def test_the_upload_of_this_checkout_is_small(tmp_path: Path) -> None:
    archive = tmp_path / "upload.zip"
    files = packed(ROOT, archive, include_gitignore=True)
    assert {*GOES, "pyproject.toml"} <= files
    assert archive.stat().st_size < 2 * 2**20
    top = {name.split("/")[0] for name in files}
    assert not top & {".git", ".venv", "runs", "results", "shared", "mlflow.db", "mlartifacts"}


def test_storage_in_a_jobs_copy_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "session_1" / "runtime_resources" / "working_dir_files" / "_ray_pkg_1"
    copy.mkdir(parents=True)
    assert absolute_storage("/shared/runs") == "/shared/runs"
    monkeypatch.chdir(tmp_path)
    assert absolute_storage("runs") == str(tmp_path / "runs")
    monkeypatch.chdir(copy)
    assert absolute_storage("/shared/runs") == "/shared/runs"
    for storage in ("runs", "../runs", str(copy / "runs")):
        with pytest.raises(UserError, match=f"run.storage = {storage}: .*give an absolute folder"):
            absolute_storage(storage)


@pytest.fixture(scope="module")
def cluster() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docs" / "cluster.yaml").read_text())


def test_the_cluster_file_is_valid(cluster: dict[str, Any]) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(cluster))
    with pytest.raises(Exception, match="Additional properties are not allowed"):
        validate_config(prepare_config(cluster | {"workers": 3}))


def test_the_cluster_file_fits_the_project(cluster: dict[str, Any]) -> None:
    constraints = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    )
    assert f"ray:{constraints['ray']}-" in cluster["docker"]["image"]
    mounted = [path for path in cluster["file_mounts"].values() if not path.startswith("~")]
    assert all((ROOT / path).exists() for path in mounted)
    assert "--dashboard-host=127.0.0.1" in " ".join(cluster["head_start_ray_commands"])


def test_a_cluster_that_does_not_let_us_in(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def refuse(**_: Any) -> None:
        raise ConnectionError("Failed to connect to Ray cluster at 10.0.0.1:6379")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuse)
    with (
        pytest.raises(UserError, match=r"10\.0\.0\.1:6379: .* set RAY_AUTH_MODE=token"),
        ray_cluster(),
    ):
        pass
