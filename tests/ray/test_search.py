"""Searches with Ray Tune on a real local cluster: run, killed and continued."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from afa_ray.command_line import TRAIN, parse
from afa_ray.dotted import flatten
from tests.ray.small_study import options, result, stamps
from tune import search as search_module
from tune import tuner
from tune.search import SEARCH

SAMPLES = 5
pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("cluster")]
SPACE = "afa.k=1:4 train.target_lr=1e-5:1e-2:log"


def arguments(folder: Path, **more: object) -> list[str]:
    """One trial after the other: what ASHA ends depends on the order in which they report."""
    given = {"search__space": SPACE, "search__samples": SAMPLES, "search__grace_epochs": 1,
             "search__final_seeds": 1, "search__max_concurrent": 1, "train__epochs": 4}  # fmt: skip
    return options(folder, **(given | more))


class Killed(NamedTuple):
    """What a search had found when it was killed."""

    ended: dict[str, int]  # trials' folders, and when their records were last written
    drawn: dict[str, tuple[int, float]]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, cluster: None) -> tuple[Path, Killed]:
    """The folder of a search that was killed half-way and then ran through, and what it had."""
    folder = tmp_path_factory.mktemp("search")
    study = folder / "runs" / "search-small"
    process = start_search(arguments(folder))
    wait_until(lambda: len(list(study.glob("trials/*/trial.json"))) >= 2, process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=400)
    assert not (study / "best.yaml").exists()
    written = stamps(study / "trials", "metrics.jsonl")
    ended = {run: at for run, at in written.items() if (Path(run) / "trial.json").exists()}
    had = Killed(ended, drawn(study))
    assert search_module.main(arguments(folder)) == 0
    return study, had


@pytest.fixture(scope="module")
def searched(killed: tuple[Path, Killed]) -> Path:
    return killed[0]


def drawn(study: Path) -> dict[str, tuple[int, float]]:
    """What each trial's settings have for the searched ones."""
    return {
        file.parent.name: (content["afa"]["k"], content["train"]["target_lr"])
        for file in sorted(study.glob("trials/*/config.yaml"))
        if (content := yaml.safe_load(file.read_text()))
    }


def trials_of(study: Path) -> dict[str, dict]:
    return {trial["name"]: trial for trial in json.loads((study / "trials.json").read_text())}


def epochs(study: Path, trial: str) -> list[dict]:
    lines = (study / "trials" / trial / "metrics.jsonl").read_text().splitlines()
    return [r for r in map(json.loads, lines) if r["kind"] == "epoch"]


def test_every_trial_is_there_and_scored_on_validation(searched: Path) -> None:
    trials = trials_of(searched)
    assert sorted(trials) == [f"trial-{i:03}" for i in range(SAMPLES)]
    for name, trial in trials.items():
        own = epochs(searched, name)
        assert trial["score"] == max(epoch["val/accuracy"] for epoch in own)
        assert trial["stopped_early"] == (len(own) < 4)
        assert drawn(searched)[name] == tuple(trial["values"].values())
    assert len(set(drawn(searched).values())) == SAMPLES
    assert not list(searched.glob("trials/*/result.json"))  # no trial has read the test texts
    assert not list(searched.glob("trials/*/checkpoint_*"))
    assert not list(searched.rglob("*.pkl"))
    assert not (searched / ".tune").exists()


def test_asha_ends_some_trials_early_and_never_the_best(searched: Path) -> None:
    trials = trials_of(searched)
    assert any(trial["stopped_early"] for trial in trials.values())
    best = max(trials.values(), key=lambda trial: trial["score"])
    rank = [name for name, trial in trials.items() if trial["score"] == best["score"]]
    assert any(not trials[name]["stopped_early"] for name in rank)


def test_the_best_settings_train_again(searched: Path) -> None:
    best = max(trials_of(searched).values(), key=lambda trial: trial["score"])
    settings = flatten(parse(["--config", str(searched / "best.yaml")], TRAIN))
    assert {name: settings[name] for name in best["values"]} == best["values"]
    assert settings["run.name"] is None
    (final,) = searched.glob("final/*/result.json")
    found = result(final.parent)
    assert found["settings"]["afa.k"] == best["values"]["afa.k"]
    assert found["settings"]["data.split_seed"] == 0  # as in the search, whatever the seed
    assert found["validation"]["accuracy"] == pytest.approx(best["score"])  # the same seed
    assert found["test"]["accuracy"] == json.loads(
        (searched / "results.json").read_text()
    )["runs"]["best"]["0"]["accuracy"]  # fmt: skip
    assert (searched / "search.png").stat().st_size > 5000


def test_tracking(searched: Path) -> None:
    parent, children = tracked(searched)
    assert parent.data.params["search.samples"] == str(SAMPLES)
    assert len(children) == SAMPLES + 1
    for name in trials_of(searched):
        child = children[name]
        assert child.info.status == "FINISHED"
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert child.data.params["afa.k"] == str(drawn(searched)[name][0])


def tracked(study: Path) -> tuple:
    """The sweep's run at the tracking store, and its children by name: each name once."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{study.parent}/mlflow.db")
    experiment = client.get_experiment_by_name("afa_ray")
    runs = client.search_runs([experiment.experiment_id])
    named = {run.info.run_name: run for run in runs}
    assert len(named) == len(runs)
    parent = named.pop(study.name)
    for child in named.values():
        history = client.get_metric_history(child.info.run_id, "val/accuracy")
        steps = [metric.step for metric in history]
        assert steps == sorted(set(steps))
    return parent, named


def test_a_killed_search_continues_with_every_trial_once(killed: tuple[Path, Killed]) -> None:
    """What had ended is not touched, nothing is trained twice, no trial is missing."""
    study, had = killed
    assert 2 <= len(had.ended) < SAMPLES
    assert sorted(trials_of(study)) == [f"trial-{i:03}" for i in range(SAMPLES)]
    assert had.ended.items() <= stamps(study / "trials", "metrics.jsonl").items()
    assert had.drawn.items() <= drawn(study).items()
    for name in drawn(study):
        assert [e["epoch"] for e in epochs(study, name)] == list(
            range(1, len(epochs(study, name)) + 1)
        )


def start_search(given: list[str]) -> subprocess.Popen:
    """The command in a process of its own, on the cluster of these tests."""
    import ray

    address = ray.get_runtime_context().gcs_address
    return subprocess.Popen(
        [sys.executable, "-m", "tune.search", *given],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"RAY_ADDRESS": address},
    )


def wait_until(holds: Callable[[], bool], process: subprocess.Popen, seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert process.poll() is None, process.stdout and process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_more_samples_go_on_from_those_there(searched: Path, capsys) -> None:
    before = stamps(searched / "trials", "metrics.jsonl")
    draws = drawn(searched)
    assert search_module.main(arguments(searched.parents[1], search__samples=SAMPLES + 1)) == 0
    assert f"{SAMPLES + 1}/{SAMPLES + 1}" in capsys.readouterr().out
    assert before.items() <= stamps(searched / "trials", "metrics.jsonl").items()
    assert draws.items() <= drawn(searched).items()
    assert len(trials_of(searched)) == SAMPLES + 1


def test_optuna_by_a_score_that_weighs_the_deletion_curve_and_a_trial_that_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others go on, each scored by its best epoch."""
    study = tmp_path / "runs" / "search-small"

    def run_trials(*given: Any) -> list[str]:
        (study / "trials").mkdir()
        (study / "trials" / "trial-001").write_text("in the way of a folder")
        return tuner.run_trials(*given)

    monkeypatch.setattr(search_module, "run_trials", run_trials)
    given = arguments(tmp_path, search__metric="score", train__deletion_weight=0.5,
                      search__samples=3, train__epochs=2, search__scheduler="fifo",
                      search__algorithm="optuna", mlflow__uri="none")  # fmt: skip
    assert search_module.main(given) == 1
    output = capsys.readouterr()
    assert "failed: trial-001: " in output.err
    assert "Traceback" not in output.out + output.err
    assert sorted(trials_of(study)) == ["trial-000", "trial-002"]
    assert (study / "best.yaml").exists()
    for name, trial in trials_of(study).items():
        own = epochs(study, name)
        assert len(own) == 2
        scores = [e["val/accuracy"] - 0.5 * e["val/normalized_area"] for e in own]
        assert trial["score"] == pytest.approx(max(scores))
        assert trial["epoch"] == 1 + scores.index(max(scores))


def test_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = ["--search.space=afa.kk=1:3", "--search.samples=0", "--search.metric=score"]
    assert search_module.main([*options(tmp_path), "--search.samples=0"]) == 2
    assert "search.samples = 0: must be at least 1" in capsys.readouterr().err
    assert search_module.main([*options(tmp_path), wrong[0], wrong[2]]) == 2
    message = capsys.readouterr().err
    assert "did you mean afa.k?" in message
    assert "without a train.deletion_weight above 0" in message
    assert search_module.main([*options(tmp_path), "--train.deletion_weight=0.1"]) == 2
    assert "say so with --search.metric score" in capsys.readouterr().err
    assert "Traceback" not in message
    assert not (tmp_path / "runs").exists()
    with pytest.raises(SystemExit) as stop:
        parse(["--help"], SEARCH)
    assert stop.value.code == 0
    assert "--search.cpus_per_trial" in capsys.readouterr().out
