"""The table and the figure of a folder of runs."""

import copy
import json
from pathlib import Path

import pytest

from afa_ray.evaluation.report import main

RESULT = {
    "data": {"name": "small"},
    "settings": {
        "afa.lambda_adv": 0,
        "discriminator.pairing": "original",
        "data.protocol": None,
        "train.seed": 7,
    },
    "test": {"accuracy": 0.9, "macro_f1": 0.8},
    "deletion_curve": {
        "counts": [0, 1, 2, 3, 5, 8],
        "by_attention": [0.9, 0.8, 0.7, 0.6, 0.5, 0.4],
        "random": [0.9, 0.9, 0.9, 0.9, 0.9, 0.9],
        "area_by_attention": 0.6,
        "area_random": 0.9,
    },
    "agreement": None,
    "validation": {"epoch": 3},
    "training": {"tokens_per_s": 1234.5},
}


def test_table_and_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = copy.deepcopy(RESULT)
    other["settings"] |= {"afa.lambda_adv": 0.5, "discriminator.pairing": "contrast"}
    third = copy.deepcopy(RESULT)
    third["settings"] |= {"data.protocol": "official"}
    other["agreement"] = {"auroc": 0.75, "average_precision": 0.5, "texts": 3}
    for name, result in (("a", RESULT), ("b", other), ("c", third), ("d", RESULT)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text(json.dumps(result))
    (tmp_path / "unfinished").mkdir()
    assert main([str(tmp_path)]) == 0
    head, _, plain, again, contrast, official = capsys.readouterr().out.splitlines()
    assert head.startswith("| run | data | method | seed | accuracy | macro F1 | after 1 |")
    cells = "0.9000 | 0.8000 | 0.8000 | 0.6000 | 0.4000 | 0.6000 | 0.9000"
    assert plain == f"| a | small | plain | 7 | {cells} | – | – | 3 | 1,234 |"
    assert again == plain.replace("| a |", "| d |")
    assert contrast == f"| b | small | contrast | 7 | {cells} | 0.7500 | 0.5000 | 3 | 1,234 |"
    assert official.startswith("| c | small (official) | plain |")
    assert (tmp_path / "deletion_curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_folder_without_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert "no complete runs" in capsys.readouterr().err
    assert main([]) == 2
