"""One data set's share of the evidence, small, on a real local Ray cluster."""

import json
from pathlib import Path

import pytest
import yaml

from studies.evidence import search
from tests.ray.small_study import options, result, stamps

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("cluster")]


def arguments(folder: Path) -> list[str]:
    preset = folder / "own.yaml"
    preset.write_text("discriminator: {pairing: contrast}\nafa: {k: 1}\ndata: {name: other}")
    return options(
        folder,
        evidence__methods=f"plain,own={preset}",
        evidence__draws=4,
        evidence__search_seeds=2,
        evidence__seeds=2,
        train__epochs=1,
        mlflow__uri="none",
    )


def test_evidence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Equal budgets, judged on validation; only what was found is read on test, with new seeds."""
    assert search.main(arguments(tmp_path)) == 0
    study = tmp_path / "runs" / "evidence-small"
    searched, final = study / "search", study / "final"
    for name in ("plain", "own"):
        assert len(list(searched.glob(f"{name}-*-seed0"))) == 4
        assert len(list(searched.glob(f"{name}-*-seed1"))) == 2  # the best third, rounded up
        assert len(list(final.glob(f"{name}-seed*"))) == 2
    assert not list(searched.rglob("result.json"))
    chosen = json.loads((study / "chosen.json").read_text())
    for name, found in chosen.items():
        scores = {
            number: [
                json.loads(file.read_text())["val/score"]
                for file in searched.glob(f"{name}-{number}-seed*/trial.json")
            ]
            for number in range(4)
        }
        with_all_seeds = {n: sum(s) / 2 for n, s in scores.items() if len(s) == 2}
        assert found["score"] == max(with_all_seeds.values())
        for seed in (2, 3):
            settings = result(final / f"{name}-seed{seed}")["settings"]
            assert {k: settings[k] for k in found["values"]} == found["values"]
            assert settings["train.seed"] == seed
            assert settings["data.split_seed"] == 0
            assert settings["data.name"] == "small"
    drawn = [_rate(searched / f"{name}-2-seed0") for name in ("plain", "own")]
    assert len(set(drawn)) == 1  # what all draw is the same under the same number
    before = stamps(study, "trial.json") | stamps(study, "result.json")
    assert search.main(arguments(tmp_path)) == 0
    assert stamps(study, "trial.json") | stamps(study, "result.json") == before
    assert "| own | " in capsys.readouterr().out


def _rate(folder: Path) -> float:
    return yaml.safe_load((folder / "config.yaml").read_text())["train"]["target_lr"]


def test_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = ["--evidence.draws=0", "--evidence.search_seeds=0", "--evidence.seeds=0"]
    assert search.main([*arguments(tmp_path), *wrong]) == 2
    message = capsys.readouterr().err
    assert "Traceback" not in message
    for name in ("draws", "search_seeds", "seeds"):
        assert f"evidence.{name} = 0: must be at least 1" in message
    assert not (tmp_path / "runs").exists()
