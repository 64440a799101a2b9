"""The studies of rivals and of HuMAL's grid: a tiny job of each, and their tables."""

import json
import shlex
import shutil
import subprocess
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies.humal import run as humal
from studies.humal.tables import found_of
from studies.humal.tables import write_report as write_humal
from studies.rivals import run as rivals
from studies.rivals.methods import DATA, OWN, methods_of, settings_of, values_of
from studies.rivals.tables import errors, jaccard, write_report
from tune.imbalance_draws import Cell

SMALL = Namespace(rows=60, updates=3, texts=20, apart=False, weight=None)


def test_all_methods_are_trained_for_as_many_updates_of_as_many_texts() -> None:
    for data in DATA:
        for method in (*methods_of(data), *OWN):
            train = settings_of(data, method, 3).train
            found = (train.max_steps, train.batch_size, train.choose, train.refit, train.seed)
            assert found == (500, 32, "last", False, 3), method
            assert train.deletion_weight == 0
    both = settings_of("yelp_hat", "explainable + 0.2 humal-al", 0)
    assert (both.supervision.weight, both.afa.lambda_adv) == (0.2, 0.1)
    assert (both.supervision.method, both.discriminator.judge) == ("humal-al", "target")
    assert both.target.hops == settings_of("yelp_hat", "plain, twice", 0).target.hops == 2


@pytest.fixture
def _public_data(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFA_DATA_DIR", str(data_dir))


@pytest.mark.usefixtures("_public_data")
def test_a_tiny_job_of_rivals(tmp_path: Path) -> None:
    (gaze,) = rivals.measure(rivals.Job("sst2_sentences", 0, ("gaze",)), SMALL)
    assert 0 <= gaze["missed"] <= 1
    job = rivals.Job("yelp_hat", 0, ("plain", "humal-al"))
    rows = rivals.measure(job, SMALL)
    assert [row["method"] for row in rows] == ["plain", "humal-al"]
    for row in rows:
        assert {"accuracy", "macro F1", "AUROC", "sufficiency"} <= row["measures"].keys()
        assert row["curve"]["counts"][0] == 0
        assert 20 <= row["texts"] <= 22
    assert rows[0]["parameters"] == rows[1]["parameters"]
    file = tmp_path / "figures.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = Namespace(seeds=2, data=["sst2", "yelp_hat"], methods=["plain", "humal-al"])
    jobs = list(rivals.missing(options, file))
    assert [(job.data, job.seed) for job in jobs] == [("sst2", 0), ("sst2", 1), ("yelp_hat", 1)]
    options.methods = []
    assert len(next(rivals.missing(options, file)).methods) == rivals.AT_ONCE
    write_report(file, tmp_path)
    text = (tmp_path / "table.md").read_text()
    assert "| humal-al † |" in text
    assert (tmp_path / "people.png").exists()


def test_figures_of_rivals_stand_beside_the_papers(tmp_path: Path) -> None:
    """Accuracy .8 and .9 in place of .7 and .8: a difference of 10 points for each seed."""
    alike = ("macro precision", "macro recall", "macro F1", "normalised area",
             "comprehensiveness", "sufficiency")  # fmt: skip
    measures = {**dict.fromkeys(alike, 0.5), "training seconds": 2.0}
    curve = {"counts": [0, 1], "attention": [0.9, 0.5], "random": [0.9, 0.8]}
    rows = [
        {"data": "ag_news", "seed": seed, "method": method, "curve": curve, "random": [0.1, 0.2],
         "evenness": 0.5, "measures": measures | {"accuracy": 0.7 + 0.1 * (seed + better)}}
        for seed in (0, 1)
        for better, method in enumerate(("plain", "das"))
    ]  # fmt: skip
    file = tmp_path / "figures.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_report(file, tmp_path)
    text = (tmp_path / "table.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| das †"))
    assert row.startswith("| das † | 85.00 ± 63.53")  # t(.975, 1) = 12.706, times 5
    assert row.endswith("| +10.00 ± 0.00 | 91.57 | 91.81 | 91.60 | 0.92 | -0.30 |")
    assert "| das † | 90.0 | 50.0 |" in text
    assert "| das † | 2.0 (1.00) |" in text
    assert (tmp_path / "deletion.png").exists()
    assert not (tmp_path / "people.png").exists()


def test_errors_in_common_by_hand(tmp_path: Path) -> None:
    """Of seeds 0 and 1: plain errs at bits 1100 and 0110, gaze at 1000 and 0110."""
    assert jaccard("c", "6") == 1 / 3
    rows = [
        {"data": "sst2_sentences", "method": method, "seed": seed, "wrong": bits, "missed": 0.25}
        for method, of in (("plain", "c6"), ("gaze", "86"))
        for seed, bits in enumerate(of)
    ]
    found = errors(rows, "sst2_sentences")
    assert "| plain | 0.333 ± 0.000 | 0.250 ± 0.000 |" in found
    assert found[3].startswith("| gaze † | 0.167 ± ")  # 0 and 1/3
    labels, predicted = np.array([0, 1, 1, 1]), np.array([1, 0, 0, 1])
    assert rivals.share_missed(labels, predicted) == 2 / 3


@pytest.mark.usefixtures("_public_data")
def test_a_tiny_job_of_the_grid(tmp_path: Path) -> None:
    (row,) = humal.measured(
        humal.Job("single", "yelp100", 1, Cell(40, 10.0), 1, ("humal-an-evenly",))
    )
    assert (row["method"], row["size"], row["share"]) == ("humal-an-evenly", 40, 10)
    assert 0 <= row["figures"]["auc"] <= 1
    assert 0 < row["figures"]["similarity"] <= 1
    file = tmp_path / "figures.jsonl"
    file.write_text(json.dumps(row) + "\n")
    given = [str(tmp_path), "--part", "yelp100", "--sizes", "20,40", "--shares", "10"]
    options = humal.read_options([*given, "--replicates", "2", "--methods", "humal-an-evenly"])
    jobs = [(job.replicate, job.cell.size) for job in humal.missing(options, file)]
    assert jobs == [(0, 40), (0, 20), (1, 20)]
    write_humal(file, tmp_path)
    assert "humal-an-evenly" in (tmp_path / "table-yelp100.md").read_text()
    assert (tmp_path / "places-yelp100.png").exists()


def test_figures_of_the_grid_are_those_of_the_protocol() -> None:
    rows = [
        {"method": "plain", "size": size, "share": 1.0, "replicate": r, "figures": {"auc": 0.5}}
        for size in (500, 250)
        for r in (1, 0)
    ]
    found = found_of(rows)
    assert list(found) == [("plain", Cell(250, 1.0)), ("plain", Cell(500, 1.0))]
    assert list(found["plain", Cell(250, 1.0)]) == [0, 1]


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize(
    ("study", "targets"),
    [
        (rivals, ["default", "parts", "gaze"]),
        (humal, ["grid", "evenly", "twice", "length", "curve", "minilm", "smollm2"]),
    ],
)
def test_what_make_would_run(study: Any, targets: list[str]) -> None:
    root = Path(__file__).parents[2]
    name = study.__name__.split(".")[1]
    given = ["make", "-n", "-C", str(root / "studies" / name), *targets]
    said = subprocess.run(given, capture_output=True, text=True, check=True).stdout
    found = [
        shlex.split(line.partition("python -m ")[2])
        for line in said.replace("\\\n", " ").splitlines()
        if "python -m" in line
    ]
    assert len(found) >= len(targets)
    for module, *arguments in found:
        assert module == study.__name__
        for method in study.read_options(arguments).methods:
            assert method in humal.OWN or values_of(method)


@pytest.mark.parametrize("study", [humal, rivals])
def test_studies_need_no_ray(study: object) -> None:
    for name in ("ray", "mlflow"):
        assert not hasattr(study, name)
