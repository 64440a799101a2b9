"""Comparisons and sensitivity studies on a real local Ray cluster."""

import json
from pathlib import Path

import pytest
import torch

from afa_ray import train as train_module
from afa_ray.evaluation.statistics import paired_difference
from tests.ray.small_study import options, result, stamps
from tune import compare as compare_module
from tune import sensitivity as sensitivity_module

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("cluster")]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory, cluster: None) -> Path:
    """The folder of a comparison of two methods over two seeds."""
    folder = tmp_path_factory.mktemp("compare")
    assert compare_module.main(arguments(folder)) == 0
    return folder


def arguments(folder: Path, methods: str = "plain,contrast", seeds: int = 2) -> list[str]:
    return options(folder, compare__methods=methods, compare__seeds=seeds)


def test_a_run_of_a_study_is_a_training_run(compared: Path) -> None:
    """The same settings give the same figures, bit for bit, by `afa_ray.train`."""
    study = compared / "runs" / "compare-small"
    threads = torch.get_num_threads()
    for name, values in (("plain", {"afa__lambda_adv": 0}), ("contrast", {"discriminator__pairing": "contrast"})):  # fmt: skip  # noqa: E501
        alone = options(compared, train__seed=1, train__num_workers=0, run__name=f"alone-{name}",
                        mlflow__uri="none", **values)  # fmt: skip
        assert train_module.main(alone) == 0
        torch.set_num_threads(threads)
        expected = result(compared / "runs" / f"alone-{name}")
        found = result(study / "runs" / f"{name}-seed1")
        for part in ("test", "deletion_curve", "validation"):
            assert found[part] == expected[part]


def test_the_table_is_that_of_the_runs(compared: Path) -> None:
    study = compared / "runs" / "compare-small"
    accuracies = {
        name: [result(study / "runs" / f"{name}-seed{seed}")["test"]["accuracy"] for seed in (0, 1)]
        for name in ("plain", "contrast")
    }
    content = json.loads((study / "results.json").read_text())
    rows = {row["group"]: row for row in content["table"] if row["measure"] == "accuracy"}
    for name, values in accuracies.items():
        assert rows[name]["mean"] == pytest.approx(sum(values) / 2)
    expected = paired_difference(accuracies["contrast"], accuracies["plain"])
    assert rows["contrast"]["difference_mean"] == pytest.approx(expected.mean)
    assert content["baseline"] == "plain"
    assert (study / "forest.png").stat().st_size > 5000
    assert not list(study.glob("runs/*/checkpoint_*"))  # complete runs keep none


def test_tracking(compared: Path) -> None:
    """One parent with the table, and one child a run with its figures by step."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{compared}/runs/mlflow.db")
    experiment = client.get_experiment_by_name("afa_ray")
    logged = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    parent = logged.pop("compare-small")
    assert set(logged) == {f"{m}-seed{s}" for m in ("plain", "contrast") for s in (0, 1)}
    for name, child in logged.items():
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert child.info.status == "FINISHED"
        history = client.get_metric_history(child.info.run_id, "val/accuracy")
        assert len(history) == 3
        found = result(compared / "runs" / "compare-small" / "runs" / name)
        assert child.data.metrics["test/accuracy"] == found["test"]["accuracy"]
    names = {artifact.path for artifact in client.list_artifacts(parent.info.run_id)}
    assert {"table.md", "table.csv", "results.json", "forest.png"} <= names
    assert parent.info.status == "FINISHED"
    assert parent.data.params["compare.seeds"] == "2"
    assert "contrast/test/accuracy" in parent.data.metrics
    assert "contrast/deletion/normalized_area" in parent.data.metrics
    assert {
        "test/accuracy",
        "deletion/normalized_area",
        "time/train_s",
    } <= child.data.metrics.keys()
    assert logged["plain-seed1"].data.tags["method"] == "plain"
    assert logged["contrast-seed0"].data.tags["seed"] == "0"
    assert len(logged["contrast-seed0"].inputs.dataset_inputs) == 3


def test_going_on_trains_only_what_is_missing(compared: Path) -> None:
    study = compared / "runs" / "compare-small"
    before = stamps(study / "runs", "result.json")
    assert compare_module.main(arguments(compared, "plain,contrast,random", seeds=1)) == 0
    after = stamps(study / "runs", "result.json")
    assert before.items() <= after.items()
    assert len(after) == len(before) + 1


def test_a_run_that_was_cut_short_after_its_result_is_only_tidied_up(compared: Path) -> None:
    """Killed between `result.json` and the end: not trained or read on test again."""
    from mlflow import MlflowClient

    study = compared / "runs" / "compare-small"
    run = study / "runs" / "plain-seed0"
    (run / "checkpoint_0003_00000030").mkdir()
    client = MlflowClient(f"sqlite:///{compared}/runs/mlflow.db")
    child = next(iter(json.loads((run / "mlflow.json").read_text()).values()))["run_id"]
    client.update_run(child, status="RUNNING")
    before = stamps(study / "runs", "result.json")
    assert compare_module.main(arguments(compared)) == 0
    assert stamps(study / "runs", "result.json").items() >= before.items()
    assert not list(run.glob("checkpoint_*"))
    assert client.get_run(child).info.status == "FINISHED"


def test_a_method_that_has_changed_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its earlier runs must not be averaged with later ones."""
    file = tmp_path / "mine.yaml"
    file.write_text("afa: {k: 2}")
    quick = ["--train.epochs=1", "--mlflow.uri=none"]
    given = [*arguments(tmp_path, f"plain,mine={file}", seeds=1), *quick]
    assert compare_module.main(given) == 0
    file.write_text("afa: {k: 1}")
    assert compare_module.main([*given, "--compare.seeds=2"]) == 2
    assert "afa.k = 1: run mine-seed0 was started with 2" in capsys.readouterr().err
    assert not (tmp_path / "runs" / "compare-small" / "runs" / "plain-seed1").exists()


def test_other_settings_are_refused(compared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare_module.main([*arguments(compared), "--afa.k=2"]) == 2
    assert "afa.k = 2: run compare-small was started with 3" in capsys.readouterr().err


def test_a_run_that_fails_does_not_stop_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = tmp_path / "runs" / "compare-small" / "runs" / "plain-seed1"
    foreign.mkdir(parents=True)
    (foreign / "thesis.txt").write_text("precious")
    (tmp_path / "runs" / "compare-small" / "config.yaml").write_text(settings_of(tmp_path))
    assert compare_module.main([*arguments(tmp_path), "--train.epochs=1"]) == 1
    output = capsys.readouterr()
    assert "failed: plain-seed1: " in output.err
    assert "choose another run.name" in output.err
    assert [file.name for file in foreign.iterdir()] == ["thesis.txt"]
    content = json.loads((tmp_path / "runs" / "compare-small" / "results.json").read_text())
    assert set(content["runs"]["plain"]) == {"0"}
    assert set(content["runs"]["contrast"]) == {"0", "1"}


def settings_of(folder: Path) -> str:
    """The `config.yaml` of that study."""
    from afa_ray.command_line import parse
    from afa_ray.dotted import to_yaml
    from afa_ray.records.run_folder import placed

    given = parse([*arguments(folder), "--train.epochs=1"], compare_module.COMPARE)
    return to_yaml(placed(given, "compare-small")[0])


def test_sensitivity(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = options(tmp_path, sensitivity__setting="afa.k", sensitivity__values="1,3",
                    sensitivity__seeds=2, train__epochs=1, mlflow__uri="none")  # fmt: skip
    assert sensitivity_module.main(given) == 0
    study = tmp_path / "runs" / "sensitivity-small"
    for value in (1, 3):
        for seed in (0, 1):
            settings = result(study / "runs" / f"k-{value}-seed{seed}")["settings"]
            assert (settings["afa.k"], settings["train.seed"]) == (value, seed)
    assert "| afa.k | accuracy |" in (study / "table.md").read_text()
    assert (study / "sensitivity.png").stat().st_size > 5000
    output = capsys.readouterr().out
    assert "4/4" in output
    assert "| 3 | " in output


@pytest.mark.parametrize("module", [compare_module, sensitivity_module])
def test_refusals(module, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    group = module.__name__.split(".")[1]
    wrong = [f"--{group}.seeds=0", f"--{group}.cpus_per_trial=0", "--train.num_workers=2"]
    assert module.main([*options(tmp_path), *wrong]) == 2
    message = capsys.readouterr().err
    assert "Traceback" not in message
    assert f"{group}.seeds = 0: must be at least 1" in message
    assert "train.num_workers = 2: each run of a study is one process" in message
    assert module.main([*options(tmp_path), f"--{group}.cpus_per_trial=64"]) == 2
    assert "no node of the Ray cluster has more than 2 CPUs" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
