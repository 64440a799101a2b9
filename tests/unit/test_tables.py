"""Tables of studies against hand-computed figures, and the files and plots they leave."""

import csv
import json
import math
from pathlib import Path

import pytest

from tune.plots import forest_plot, search_plot, sensitivity_plot
from tune.tables import (
    Measurements,
    entries,
    main_measures,
    markdown,
    means,
    measured,
    write_tables,
)

RESULT = {
    "test": {"accuracy": 0.9, "macro_precision": 0.8, "macro_recall": 0.7, "macro_f1": 0.75},
    "deletion_curve": {"area_by_attention": 0.6, "area_random": 0.8, "normalized_area": 0.75},
    "agreement": None,
}
VALUES: Measurements = {
    "plain": {0: {"accuracy": 0.80}, 1: {"accuracy": 0.82}, 2: {"accuracy": 0.84}},
    "good": {0: {"accuracy": 0.81}, 1: {"accuracy": 0.84}, 2: {"accuracy": 0.87}},
    "same": {0: {"accuracy": 0.80}, 1: {"accuracy": 0.82}, 2: {"accuracy": 0.84}},
}


def test_measures_of_a_result() -> None:
    found = measured(RESULT)
    assert found["normalised area"] == 0.75
    assert found["macro F1"] == 0.75
    assert "AUROC" not in found
    marked = measured({**RESULT, "agreement": {"auroc": 0.6, "average_precision": None}})
    assert marked["AUROC"] == 0.6
    assert "average precision" not in marked


def test_entries_by_hand() -> None:
    """good - plain is .01, .02, .03: mean .02, t = 2 sqrt(3) on two degrees of freedom."""
    plain, good, same = entries(VALUES, "plain")
    assert plain.difference is None
    assert good.difference is not None
    assert same.difference is not None
    assert good.difference.mean == pytest.approx(0.02)
    t = 2 * math.sqrt(3)
    p = 1 - t / math.sqrt(2 + t**2)
    assert good.difference.p == pytest.approx(p)
    assert good.p_holm == pytest.approx(2 * p)  # two comparisons with the baseline
    assert same.p_holm == 1


def test_only_seeds_of_both_are_compared() -> None:
    values = {"plain": VALUES["plain"], "good": {1: {"accuracy": 0.9}, 2: {"accuracy": 0.92}}}
    _, good = entries(values, "plain")
    assert good.value.mean == pytest.approx(0.91)
    assert good.difference is not None
    assert good.difference.mean == pytest.approx(0.08)
    assert good.difference.count == 2


def test_markdown() -> None:
    text = markdown(entries(VALUES, "plain"), "method", "plain")
    assert "| method | accuracy |" in text
    assert "| plain | 0.8200 ± 0.0497 |" in text  # 4.3027 · .02 / sqrt(3)
    assert "Difference to plain" in text
    assert "| good | +0.0200 ± 0.0248 (p = .148) |" in text
    assert "| same | +0.0000 ± 0.0000 (p = 1.000) |" in text


def test_reconstructions_are_called_so() -> None:
    values = {"plain": VALUES["plain"], "as-random": VALUES["plain"], "sana": VALUES["good"]}
    text = markdown(entries(values, "plain"), "method", "plain")
    assert text.endswith("\n\nReconstructions, for lack of their authors' code: sana.\n")
    assert "Reconstructions" not in markdown(entries(VALUES, "plain"), "method", "plain")


def test_one_seed_has_no_interval() -> None:
    values = {name: {0: runs[0]} for name, runs in VALUES.items()}
    text = markdown(entries(values, "plain"), "method", "plain")
    assert "| plain | 0.8000 |" in text
    assert "| good | +0.0100 |" in text


def test_the_number_of_runs_is_said_where_it_differs() -> None:
    values = {"plain": VALUES["plain"], "good": {0: {"accuracy": 0.9}, 1: {"accuracy": 0.92}}}
    text = markdown(entries(values, "plain"), "method", "plain")
    assert "| plain (n = 3) | 0.8200" in text
    assert "| good (n = 2) | 0.9100" in text
    assert "(n =" not in markdown(entries(VALUES, "plain"), "method", "plain")


def test_the_baseline_is_the_one_that_was_named() -> None:
    values = {"a": {0: {"accuracy": 0.7}}, "plain": VALUES["plain"], "good": VALUES["good"]}
    assert "Difference to plain" in markdown(entries(values, "plain"), "method", "plain")


def test_a_baseline_without_runs_leaves_the_means() -> None:
    assert all(e.difference is None for e in entries({"good": VALUES["good"]}, "plain"))
    assert "| good |" in markdown(entries({"good": VALUES["good"]}, "plain"), "method", "plain")


def test_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = {name: {0: runs[0]} for name, runs in VALUES.items()}  # one seed: nan in Python
    found = write_tables(tmp_path, values, "plain", "method")
    assert "| good | 0.8100 |" in capsys.readouterr().out
    assert (tmp_path / "table.md").read_text() == markdown(found, "method", "plain")
    content = json.loads((tmp_path / "results.json").read_text(), parse_constant=pytest.fail)
    assert content["runs"]["good"]["0"] == {"accuracy": 0.81}
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = {row["group"]: row for row in csv.DictReader(file)}
    assert float(rows["good"]["difference_mean"]) == pytest.approx(0.01)
    assert rows["plain"]["difference_mean"] == rows["good"]["half_width"] == ""
    assert means(found)["same/test/accuracy"] == 0.80


def test_plots(tmp_path: Path) -> None:
    values = {name: {seed: measured(RESULT) | v for seed, v in runs.items()}
              for name, runs in {**VALUES, "$odd_{": VALUES["good"]}.items()}  # fmt: skip
    found = main_measures(entries(values, "plain"))
    assert {e.measure for e in found} == {"accuracy", "macro F1", "normalised area"}
    forest_plot(found, "plain", "$a_{ title", tmp_path / "forest.png")
    sensitivity_plot(found, "afa.policy", "title", tmp_path / "names.png")
    numbers = main_measures(entries({"1": VALUES["plain"], "2.5": VALUES["good"]}, "1"))
    sensitivity_plot(numbers, "afa.k", "title", tmp_path / "numbers.png")
    trials = [
        {"values": {"afa.k": 3, "afa.policy": "topk"}, "score": 0.8, "stopped_early": False},
        {
            "values": {"afa.k": 1, "afa.policy": "plackett-luce"},
            "score": 0.7,
            "stopped_early": True,
        },
    ]
    search_plot(trials, ["afa.k"], "title", tmp_path / "search.png")
    for name in ("forest", "names", "numbers", "search"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
