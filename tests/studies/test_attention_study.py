"""The study of attention's tests: a tiny job of every part, and the tables by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from studies.attention_tests import measure as measure_module
from studies.attention_tests import run as run_module
from studies.attention_tests.measure import Budget, Job, measure
from studies.attention_tests.report import write_report
from studies.attention_tests.sets import PAIR, SIZES, write_files
from studies.attention_tests.tables import against_plain, attefas, briefly, by_base_model, pattern

TINY = Budget(rows=60, texts=4, adversaries=2, epochs=1, train_texts=40, minilm="")
JOBS = (
    Job("jain_wallace", "facts-1", "average", "additive", "plain", 0),
    Job("attefa", "mock-1", "average", "additive", "plain", 0),
    Job("ours", "mock-2", "transformer", "additive", "explainable", 0),
)


@pytest.fixture(autouse=True)
def few_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    of = measure_module.settings_of
    few = ["--train.max_steps", "2", "--train.epochs", "1", "--target.word2vec", "false"]
    monkeypatch.setattr(measure_module, "settings_of", lambda *given: [*of(*given), *few])


def test_a_job_of_every_part_and_its_table(tmp_path: Path) -> None:
    rows = [json.loads(json.dumps(measure(job, TINY))) for job in JOBS]
    file = tmp_path / "figures.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    assert run_module.done(file, Job._fields) == set(JOBS)
    write_report(file, tmp_path)
    drawn = {path.name for path in tmp_path.glob("*.png")}
    assert drawn == {f"{x}.png" for x in ("correlation", "adversarial", "permutation", "ours")}
    text = (tmp_path / "tables.md").read_text(encoding="utf-8")
    assert "## Jain and Wallace" in text
    assert "| average | additive |" in text
    assert "| mock-1 | average | 2 |" in text
    assert "0.8153" in text
    assert "| transformer | explainable |" in text
    asked, adversaries, ours = rows
    assert asked["correlation"]["pairs"]["attention and gradient"]["texts"] > 0
    assert [x["seed"] for x in adversaries["adversaries"]] == [1, 2]
    assert all(0 <= x["attefa"] <= 1 for x in adversaries["adversaries"])
    assert {"correlation", "permutation", "adversarial", "adversaries"} <= ours.keys()


def test_the_pair_of_ag_news(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two classes, and no numbers."""
    monkeypatch.setenv("AFA_DATA_DIR", str(data_dir))
    settings = write_files("ag_news_pair", 30, 0, tmp_path)
    text = (tmp_path / "train.csv").read_text(encoding="utf-8")
    assert settings == ["--data.train_file", str(tmp_path / "train.csv"),
                        "--data.test_file", str(tmp_path / "test.csv")]  # fmt: skip
    assert not any(character.isdigit() for character in text)
    labels = {line.rsplit(",", 2)[1] for line in text.splitlines()[1:] if line}
    assert labels == set(PAIR)


def test_jobs_of_all_parts_come_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["run", "out", "--seeds", "1"])
    jobs = run_module.jobs_of(run_module.read_options())
    assert [job.part for job in jobs[:3]] == ["jain_wallace", "attefa", "ours"]
    assert len(jobs) == len(set(jobs)) == 6 * 6 + 11 * 2 + 2 * 4 * 4
    assert {job.data for job in jobs} <= SIZES.keys()
    monkeypatch.setattr("sys.argv", ["run", "out", "--parts", "attefa", "--base-models", "3"])
    assert len(run_module.jobs_of(run_module.read_options())) == 3 * 11 * 2


def a_row(model: str, scorer: str, form: str, seed: int, tau: float) -> dict[str, Any]:
    pairs = {
        name: {"mean": value, "significant": 1.0}
        for name, value in (("attention and gradient", tau), ("attention and deletion", tau - 0.1),
                            ("gradient and deletion", 0.3))
    }  # fmt: skip
    return {
        **Job("ours", "mock-1", model, scorer, form, seed)._asdict(),
        "accuracy": 0.9,
        "correlation": {"pairs": pairs},
        "permutation": {"moved": {"mean": 0.1}},
        "adversarial": {"divergence": {"mean": 0.5}, "above": {"0.5": 0.4}},
        "adversaries": [{"attefa": 0.2}, {"attefa": 0.4}],
    }


def test_the_pattern_by_hand() -> None:
    rows = [a_row("lstm", "additive", "plain", 0, 0.4), a_row("lstm", "dot", "plain", 0, 0.5),
            a_row("average", "additive", "plain", 0, 0.7)]  # fmt: skip
    last = pattern(rows)[-1]
    assert last == "| mock-1 | yes: 0.700, 0.400 | no: 0.300, 0.300 | no: 0.400, 0.500 |"


def test_forms_are_held_against_plain_seed_by_seed() -> None:
    """.1, .11 and .12 higher: t = .11 sqrt(3) / .01 on two degrees of freedom, p .003."""
    rows = [a_row("lstm", "additive", "plain", seed, 0.3) for seed in range(3)]
    rows += [a_row("lstm", "additive", "explainable", seed, 0.4 + seed / 100) for seed in range(3)]
    cells = against_plain(rows)[2].split(" | ")
    assert cells[:2] == ["| lstm", "explainable"]
    assert cells[3] == "+0.110, 1 of 1 (1, 0)"  # tau attention-gradient
    assert cells[2] == "+0.000, 0 of 1 (0, 0)"  # accuracy


def test_attefa_of_several_base_models() -> None:
    """Of the first as published; .3 of each, but for the last, which has .1."""
    rows = [a_row("lstm", "additive", "plain", seed, 0.3) for seed in (2, 1, 0)]
    rows[0]["adversaries"] = [{"attefa": 0.0}, {"attefa": 0.2}]
    assert attefas(rows, "mock-1", "lstm") == pytest.approx([0.3, 0.3, 0.1])
    assert briefly(rows)[-1] == "| mock-1 | 0.300 ± 1.271 (*0.030*); 0.100 to 0.300 | – |"
    assert by_base_model(rows)[-1].startswith("| mock-1 | lstm | 0.300, 0.300, 0.100 | 0.233 ± ")
    assert by_base_model(rows[2:]) == []
