"""The evidence of all data sets: corrected over data sets, method by method."""

import json
from pathlib import Path

import pytest

from afa_ray.evaluation.statistics import holm, paired_difference
from studies.evidence import report

PLAIN = {"one": [0.80, 0.81, 0.79, 0.80], "two": [0.70, 0.72, 0.71, 0.70]}
BETTER = {"one": [0.85, 0.86, 0.845, 0.85], "two": [0.71, 0.70, 0.72, 0.71]}
WORSE = {"one": [0.75, 0.76, 0.745, 0.75], "two": [0.60, 0.62, 0.615, 0.60]}


def write(folder: Path) -> None:
    for data in ("one", "two"):
        study = folder / f"evidence-{data}"
        study.mkdir(parents=True)
        runs = {
            method: {
                str(seed): {"accuracy": value, "normalised area": 1 - value}
                for seed, value in enumerate(values[data])
            }
            for method, values in (("plain", PLAIN), ("better", BETTER), ("worse", WORSE))
        }
        (study / "results.json").write_text(json.dumps({"baseline": "plain", "runs": runs}))
        chosen = {
            "plain": choice(0.95, {"afa.lambda_adv": 0}),
            "masked": choice(0.95, {"afa.epsilon": 1.0}),
            "better": choice(0.9, {"afa.k": 3, "data.split_seed": 0}),
            "worse": choice(0.8, {}),
        }
        (study / "chosen.json").write_text(json.dumps(chosen))
        for seed, after in ((1, 0.7), (2, 0.5)):
            run = study / "final" / f"better-seed{seed}"
            run.mkdir(parents=True)
            curve = {"counts": [0, 1], "by_attention": [0.8, after], "random": [0.8, 0.75]}
            (run / "result.json").write_text(json.dumps({"deletion_curve": curve}))


def choice(accuracy: float, values: dict[str, float]) -> dict[str, object]:
    return {"draw": 2, "score": accuracy - 0.1, "accuracy": accuracy, "values": values}


def test_p_values_are_corrected_over_data_sets(tmp_path: Path) -> None:
    write(tmp_path)
    runs, baseline = report.read(tmp_path)
    table = report.table_of(runs, "accuracy", baseline)
    expected = [paired_difference(BETTER[data], PLAIN[data]) for data in ("one", "two")]
    corrected = holm([d.p for d in expected])
    for data, difference, p in zip(("one", "two"), expected, corrected, strict=True):
        assert table[data]["better"].difference == difference
        assert table[data]["better"].p_holm == pytest.approx(p)
    assert table["one"]["plain"].difference is None
    said = report.verdicts(table)
    assert said["better"] == "better on 1, worse on 0"
    assert said["worse"] == "better on 0, worse on 2"
    assert said["feedback"] == said["better"]  # what validation preferred of those with feedback
    assert table["one"]["feedback"] == table["one"]["better"]
    areas = report.table_of(runs, "normalised area", baseline)
    assert report.verdicts(areas, larger_is_better=False) == said
    assert report.table_of(runs, "AUROC", baseline) == {}


def test_tables_and_plots(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "in")
    assert report.main([str(tmp_path / "in"), str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "tables.md").read_text()
    assert "| one | 0.8000 ± 0.0130 | 0.8512 ± " in text
    assert "(**+0.0512 ± 0.0" in text
    assert "| two | better * | 2 | 0.9000 | k 3 |" in text
    assert "| two | worse | 2 | 0.8000 |  |" in text
    assert "| one | better | 0.8000 / 0.8000 | 0.6000 / 0.7500 |" in text
    for name in ("accuracy", "deletion", "curves"):
        assert (tmp_path / "out" / f"{name}.png").stat().st_size > 5000
    assert "better: better on 1, worse on 0" in capsys.readouterr().out


def test_a_comparison_chose_nothing(tmp_path: Path) -> None:
    """What `tune.compare` leaves: no `chosen.json`, and its runs in a folder of another name."""
    write(tmp_path / "in")
    for study in (tmp_path / "in").iterdir():
        (study / "chosen.json").unlink()
        (study / "final").rename(study / "runs")
    assert report.main([str(tmp_path / "in"), str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "tables.md").read_text()
    assert "found on validation" not in text
    assert "feedback" not in text
    assert "| one | better | 0.8000 / 0.8000 | 0.6000 / 0.7500 |" in text


def test_a_study_that_still_runs_is_left_out(tmp_path: Path) -> None:
    write(tmp_path)
    unfinished = tmp_path / "evidence-three"
    unfinished.mkdir()
    (unfinished / "chosen.json").write_text(json.dumps({"better": choice(0.9, {})}))
    runs, _ = report.read(tmp_path)
    assert set(runs) == set(report.preferred(tmp_path)) == {"one", "two"}


def test_nothing_to_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main([str(tmp_path), str(tmp_path / "out")]) == 2
    assert "no study there has ended" in capsys.readouterr().err
    assert report.main([]) == 2
